-- insert_suppressions
-- Put addresses on the list; one that is there for the same reason has it anew.
INSERT INTO suppression (org_id, address_key, reason, address, detail, created_at, expires_at)
VALUES (:org_id, :address_key, :reason, :address, :detail, :created_at, :expires_at)
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
WHERE org_id = :org_id AND address_key = :address_key AND (:reason IS NULL OR reason = :reason);

-- suppressions_of
-- Why addresses must not be used, each asked for under a number and at a time.
SELECT group_concat(json_array(wanted.column1, seq, org_id, address, reason, detail, created_at, expires_at))
FROM (VALUES (:number, :org_id, :address_key, :now)) AS wanted
CROSS JOIN suppression ON org_id = wanted.column2 AND address_key = wanted.column3
    AND (expires_at IS NULL OR expires_at > wanted.column4);

-- list_suppressions
-- A page of the list, the latest first.
SELECT seq, org_id, address, reason, detail, created_at, expires_at FROM suppression
WHERE seq < :before
    AND (:org_id IS NULL OR org_id = :org_id)
    AND (:reason IS NULL OR reason = :reason)
ORDER BY seq DESC LIMIT :limit;
