-- insert_suppressions
-- Put addresses on the list; one that is there for the same reason has it anew.
INSERT INTO suppression (org_id, address_key, reason, address, detail, created_at, expires_at)
SELECT org_id, address_key, reason, address, detail, created_at, expires_at
FROM unnest(
    :org_ids::bigint[], :address_keys::bytea[], :reasons::text[], :addresses::text[], :details::text[],
    :created::bigint[], :expiring::bigint[]
) WITH ORDINALITY AS given (org_id, address_key, reason, address, detail, created_at, expires_at, place)
ORDER BY place
ON CONFLICT (org_id, address_key, reason) DO UPDATE SET
    address = excluded.address,
    detail = excluded.detail,
    created_at = excluded.created_at,
    expires_at = excluded.expires_at;

-- drop_expired_suppressions
-- Let go of what says nothing any more.
DELETE FROM suppression WHERE expires_at <= :now;

-- drop_suppressions
-- Take an address off the list, for one reason or for all.
DELETE FROM suppression
WHERE org_id = :org_id AND address_key = :address_key AND (:reason::text IS NULL OR reason = :reason);

-- suppressions_of
-- Why addresses must not be used, each asked for under a number and at a time.
SELECT wanted.number, suppression.org_id, address, reason, detail, created_at, expires_at
FROM unnest(:org_ids::bigint[], :address_keys::bytea[], :nows::bigint[])
    WITH ORDINALITY AS wanted (org_id, address_key, now, number)
JOIN suppression ON suppression.org_id = wanted.org_id AND suppression.address_key = wanted.address_key
    AND (expires_at IS NULL OR expires_at > wanted.now)
ORDER BY seq;

-- list_suppressions
-- A page of the list, the latest first.
SELECT seq, org_id, address, reason, detail, created_at, expires_at FROM suppression
WHERE seq < :before
    AND (:org_id::bigint IS NULL OR org_id = :org_id)
    AND (:reason::text IS NULL OR reason = :reason)
ORDER BY seq DESC LIMIT :limit;
