-- open_digest
-- Where events of a key gather.
SELECT delivery.seq, delivery.id FROM digest INDEXED BY digest_open CROSS JOIN delivery ON delivery.seq = digest.delivery_seq
WHERE digest.org_id = :org_id AND digest.key = :key AND digest.open = 1;

-- insert_digest
-- Let a delivery, which has just been stored, gather.
INSERT INTO digest (delivery_seq, org_id, key, until, open)
SELECT seq, org_id, :key, due_at, 1 FROM delivery WHERE id = :id
RETURNING delivery_seq;

-- hold_digest
-- Keep a delivery back while it gathers.
UPDATE delivery SET state = 'held', reason = :reason WHERE seq = :seq;

-- insert_members
-- Gather events; one that is gathered already stays as it is.
INSERT INTO digest_member (delivery_seq, event_seq, event_id, added_at, expires_at)
VALUES (:delivery_seq, :event_seq, :event_id, :added_at, :expires_at)
ON CONFLICT DO NOTHING;

-- stretch_expiry
-- Let a digest be worth sending for as long as the event that joins it; one that never expires stays so.
UPDATE delivery SET expires_at = max(expires_at, :expires_at) WHERE seq = :seq AND expires_at IS NOT NULL;

-- take_digests
-- Digests that are handed out take no more; what was in hands before may have been sent already, and is closed for good.
UPDATE digest SET open = iif(open = 1, 0, NULL)
WHERE open IS NOT NULL AND delivery_seq IN (SELECT value FROM json_each(:seqs));

-- reopen_digests
-- Digests that came back untried take more again, unless the next one of their key has begun.
UPDATE OR IGNORE digest SET open = 1 WHERE open = 0 AND delivery_seq IN (SELECT value FROM json_each(:seqs));

-- close_digests
-- Digests that were moved by hand take no more.
UPDATE digest SET open = NULL WHERE open IS NOT NULL AND delivery_seq IN (SELECT value FROM json_each(:seqs));

-- members_to_call_off
-- What an event makes pointless of what unfinished digests of one rule have gathered, as digest and event by number.
SELECT group_concat(json_array(digest_member.delivery_seq, digest_member.event_seq))
FROM (
    SELECT seq FROM delivery INDEXED BY delivery_revocable
    WHERE revocable = 1 AND state IN ('waiting', 'held', 'sending')
        AND org_id = :org_id AND customer_id = :customer_id AND rule_id = :rule_id
    UNION ALL
    SELECT seq FROM delivery INDEXED BY delivery_revocable
    WHERE revocable = 1 AND state IN ('waiting', 'held', 'sending')
        AND org_id = :org_id AND customer_id IS NULL AND rule_id = :rule_id
) AS unfinished
CROSS JOIN digest_member ON digest_member.delivery_seq = unfinished.seq AND digest_member.event_seq < :before
CROSS JOIN event ON event.seq = digest_member.event_seq
WHERE event.customer_id = :customer_id;

-- members_of_person
-- What digests have gathered of a person's events within a stretch, as digest and event by number.
SELECT group_concat(json_array(digest_member.delivery_seq, digest_member.event_seq))
FROM event CROSS JOIN digest_member
    ON digest_member.event_id = event.event_id AND digest_member.event_seq = event.seq
WHERE event.seq > :after AND event.seq <= :through AND event.org_id = :org_id AND event.customer_id = :customer_id;

-- drop_members
-- Let events leave digests.
DELETE FROM digest_member
WHERE (delivery_seq, event_seq) IN (SELECT value ->> 0, value ->> 1 FROM json_each(:members));

-- shrink_expiry
-- Let digests be worth sending for as long as what is left in them.
UPDATE delivery SET expires_at = (
    SELECT iif(count(*) = count(digest_member.expires_at), max(digest_member.expires_at), NULL)
    FROM digest_member WHERE digest_member.delivery_seq = delivery.seq
)
WHERE seq IN (SELECT value FROM json_each(:seqs));

-- empty_digests
-- Those of the given digests that have nothing left and have not ended.
SELECT group_concat(json_array(delivery.id, seq, org_id, state, lane IS NOT NULL, 1))
FROM json_each(:seqs) AS touched CROSS JOIN delivery ON delivery.seq = touched.value
WHERE state IN ('waiting', 'held', 'sending')
    AND NOT EXISTS (SELECT 1 FROM digest_member WHERE digest_member.delivery_seq = delivery.seq);

-- gathered
-- What a digest has gathered that is still worth telling: until when, how much of it there is, and the newest first.
SELECT digest.until, count(*) OVER (), event.content
FROM delivery CROSS JOIN digest ON digest.delivery_seq = delivery.seq
CROSS JOIN digest_member ON digest_member.delivery_seq = digest.delivery_seq
CROSS JOIN event ON event.seq = digest_member.event_seq
WHERE delivery.id = :id AND length(event.content) > 0
    AND (digest_member.expires_at IS NULL OR digest_member.expires_at > :now)
ORDER BY digest_member.event_seq DESC LIMIT :most;
