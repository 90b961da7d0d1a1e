-- last_seqs
-- How far the deliveries and the events go.
SELECT coalesce((SELECT max(seq) FROM delivery), 0) AS delivery, coalesce((SELECT max(seq) FROM event), 0) AS event;

-- persons_unfinished
-- A person's deliveries within a stretch that wait or are held.
SELECT id FROM delivery
WHERE seq > :after AND seq <= :through AND org_id = :org_id AND state IN ('waiting', 'held')
    AND (customer_id = :customer_id OR recipient = ANY(:recipients::text[]));

-- persons_deliveries
-- A person's ended deliveries within a stretch, kept from all others until the transaction ends.
SELECT seq FROM delivery
WHERE seq > :after AND seq <= :through AND org_id = :org_id AND state NOT IN ('waiting', 'held', 'sending')
    AND (customer_id = :customer_id OR recipient = ANY(:recipients::text[]))
ORDER BY seq
FOR UPDATE;

-- scrub_attempts
-- Forget what far sides said of deliveries.
UPDATE attempt SET detail = '' WHERE detail <> '' AND delivery_seq = ANY(:seqs::bigint[]);

-- scrub_deliveries
-- Forget whom deliveries were for.
UPDATE delivery SET
    recipient = CASE WHEN channel = 'email' THEN 'customer:' ELSE recipient END,
    customer_id = NULL,
    lane = NULL,
    reason = :reason
WHERE seq = ANY(:seqs::bigint[]);

-- persons_in_hands
-- How many of a person's deliveries within a stretch are in workers' hands, or came back while it was gone through, and so were left as they are.
SELECT count(*) AS count FROM delivery
WHERE seq > :after AND seq <= :through AND org_id = :org_id AND state IN ('waiting', 'held', 'sending')
    AND (customer_id = :customer_id OR recipient = ANY(:recipients::text[]));

-- persons_under_way
-- How many of a person's deliveries are in workers' hands, or came back from them since they were looked for.
SELECT count(*) AS count
FROM (
    SELECT seq FROM delivery WHERE state = 'sending' AND org_id = :org_id AND (
        customer_id = :customer_id
        OR recipient = ANY(:recipients::text[])
        OR EXISTS (
            SELECT 1 FROM digest_member JOIN event ON event.seq = digest_member.event_seq
            WHERE digest_member.delivery_seq = delivery.seq AND event.customer_id = :customer_id
        )
    )
    UNION ALL
    SELECT seq FROM delivery WHERE wake_at IS NOT NULL AND state <> 'sending' AND org_id = :org_id
        AND (customer_id = :customer_id OR recipient = ANY(:recipients::text[]))
    UNION ALL
    SELECT seq FROM delivery WHERE parked_at IS NOT NULL AND org_id = :org_id
        AND (customer_id = :customer_id OR recipient = ANY(:recipients::text[]))
) AS unfinished;

-- scrub_events
-- Forget what a person's events within a stretch said; id and digest stay, so that a repeat is still one.
UPDATE event SET content = ''::bytea, customer_id = NULL
WHERE seq > :after AND seq <= :through AND org_id = :org_id AND customer_id = :customer_id;

-- drop_contact
-- Let go of a contact.
DELETE FROM contact WHERE org_id = :org_id AND customer_id = :customer_id;

-- rejected_bodies
-- Every body that could not be used.
SELECT seq, body, reason FROM rejected_body;

-- drop_rejected_bodies
-- Let go of some of them.
DELETE FROM rejected_body WHERE seq = ANY(:seqs::bigint[]);

-- scrub_suppressions
-- Keep of suppressed addresses only what they are found by.
UPDATE suppression SET address = NULL, detail = ''
WHERE org_id = :org_id AND address_key = ANY(:address_keys::bytea[]) AND address IS NOT NULL;
