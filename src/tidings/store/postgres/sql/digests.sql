-- lock_digests
-- Wait until nobody else opens, fills or takes the digests of these keys, then keep others waiting; see lock_lanes.
SELECT pg_advisory_xact_lock(29807, lock)
FROM (
    SELECT DISTINCT hashtext(org_id::text || ':' || key) & 255 AS lock
    FROM unnest(:org_ids::bigint[], :keys::text[]) AS wanted (org_id, key)
    ORDER BY lock
) AS wanted;

-- lock_digests_of
-- The same for those of the given deliveries that are digests.
SELECT pg_advisory_xact_lock(29807, lock)
FROM (
    SELECT DISTINCT hashtext(org_id::text || ':' || key) & 255 AS lock
    FROM digest WHERE delivery_seq = ANY(:seqs::bigint[])
    ORDER BY lock
) AS wanted;

-- try_digests_of
-- Of the given deliveries, those that are digests which somebody is filling just now.
SELECT delivery_seq AS seq FROM digest
WHERE delivery_seq = ANY(:seqs::bigint[])
    AND NOT pg_try_advisory_xact_lock(29807, hashtext(org_id::text || ':' || key) & 255);

-- open_digest
-- Where events of a key gather.
SELECT delivery.seq, delivery.id FROM digest JOIN delivery ON delivery.seq = digest.delivery_seq
WHERE digest.org_id = :org_id AND digest.key = :key AND digest.open = 1;

-- insert_digest
-- Let a delivery, which has just been stored, gather.
INSERT INTO digest (delivery_seq, org_id, key, until, open)
SELECT seq, org_id, :key, due_at, 1 FROM delivery WHERE id = :id
RETURNING delivery_seq;

-- hold_digest
-- Keep a delivery back while it gathers.
UPDATE delivery SET state = 'held', reason = :reason WHERE seq = :seq;

-- insert_member
-- Gather an event; one that is gathered already stays as it is.
INSERT INTO digest_member (delivery_seq, event_seq, event_id, added_at, expires_at)
VALUES (:delivery_seq, :event_seq, :event_id, :added_at, :expires_at)
ON CONFLICT DO NOTHING;

-- stretch_expiry
-- Let a digest be worth sending for as long as the event that joins it; one that never expires stays so.
UPDATE delivery SET expires_at = CASE WHEN :expires_at::bigint IS NULL THEN NULL ELSE greatest(expires_at, :expires_at) END
WHERE seq = :seq AND expires_at IS NOT NULL;

-- take_digests
-- Digests that are handed out take no more; what was in hands before may have been sent already, and is closed for good.
UPDATE digest SET open = CASE WHEN open = 1 THEN 0 END
WHERE open IS NOT NULL AND delivery_seq = ANY(:seqs::bigint[]);

-- reopen_digests
-- Digests that came back untried take more again, unless the next one of their key has begun; of several the first.
UPDATE digest SET open = 1
WHERE open = 0 AND delivery_seq IN (
    SELECT min(back.delivery_seq) FROM digest AS back
    WHERE back.open = 0 AND back.delivery_seq = ANY(:seqs::bigint[])
        AND NOT EXISTS (
            SELECT 1 FROM digest AS next WHERE next.org_id = back.org_id AND next.key = back.key AND next.open = 1
        )
    GROUP BY back.org_id, back.key
);

-- close_digests
-- Digests that were moved by hand take no more.
UPDATE digest SET open = NULL WHERE open IS NOT NULL AND delivery_seq = ANY(:seqs::bigint[]);

-- members_to_call_off
-- What an event makes pointless of what unfinished digests of one rule have gathered, as digest and event by number.
SELECT digest_member.delivery_seq, digest_member.event_seq
FROM (
    SELECT seq FROM delivery
    WHERE revocable AND state IN ('waiting', 'held', 'sending')
        AND org_id = :org_id AND customer_id = :customer_id AND rule_id = :rule_id
    UNION ALL
    SELECT seq FROM delivery
    WHERE revocable AND state IN ('waiting', 'held', 'sending')
        AND org_id = :org_id AND customer_id IS NULL AND rule_id = :rule_id
) AS unfinished
JOIN digest_member ON digest_member.delivery_seq = unfinished.seq AND digest_member.event_seq < :before
JOIN event ON event.seq = digest_member.event_seq
WHERE event.customer_id = :customer_id;

-- members_of_person
-- What digests have gathered of a person's events within a stretch, as digest and event by number.
SELECT digest_member.delivery_seq, digest_member.event_seq
FROM event JOIN digest_member ON digest_member.event_id = event.event_id AND digest_member.event_seq = event.seq
WHERE event.seq > :after AND event.seq <= :through AND event.org_id = :org_id AND event.customer_id = :customer_id;

-- drop_members
-- Let events leave digests.
DELETE FROM digest_member USING unnest(:seqs::bigint[], :event_seqs::bigint[]) AS leaving (seq, event_seq)
WHERE digest_member.delivery_seq = leaving.seq AND digest_member.event_seq = leaving.event_seq;

-- shrink_expiry
-- Let digests be worth sending for as long as what is left in them.
UPDATE delivery SET expires_at = (
    SELECT CASE WHEN count(*) = count(digest_member.expires_at) THEN max(digest_member.expires_at) END
    FROM digest_member WHERE digest_member.delivery_seq = delivery.seq
)
WHERE seq = ANY(:seqs::bigint[]);

-- empty_digests
-- Those of the given digests that have nothing left and have not ended.
SELECT id FROM delivery
WHERE seq = ANY(:seqs::bigint[]) AND state IN ('waiting', 'held', 'sending')
    AND NOT EXISTS (SELECT 1 FROM digest_member WHERE digest_member.delivery_seq = delivery.seq);

-- gathered
-- What a digest has gathered that is still worth telling: until when, how much of it there is, and the newest first.
SELECT digest.until, count(*) OVER () AS total, event.content
FROM delivery JOIN digest ON digest.delivery_seq = delivery.seq
JOIN digest_member ON digest_member.delivery_seq = digest.delivery_seq
JOIN event ON event.seq = digest_member.event_seq
WHERE delivery.id = :id AND length(event.content) > 0
    AND (digest_member.expires_at IS NULL OR digest_member.expires_at > :now)
ORDER BY digest_member.event_seq DESC LIMIT :most;
