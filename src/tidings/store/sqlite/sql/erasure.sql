-- last_seqs
-- How far the deliveries and the events go.
SELECT coalesce((SELECT max(seq) FROM delivery), 0), coalesce((SELECT max(seq) FROM event), 0);

-- persons_unfinished
-- A person's deliveries within a stretch that wait or are held.
SELECT group_concat(json_array(id))
FROM delivery
WHERE seq > :after AND seq <= :through AND +org_id = :org_id AND state IN ('waiting', 'held')
    AND (customer_id = :customer_id OR recipient IN (SELECT value FROM json_each(:recipients)));

-- scrub_attempts
-- Forget what far sides said of a person's deliveries within a stretch.
UPDATE attempt SET detail = ''
WHERE detail <> '' AND delivery_seq IN (
    SELECT seq FROM delivery
    WHERE seq > :after AND seq <= :through AND +org_id = :org_id AND state <> 'sending'
        AND (customer_id = :customer_id OR recipient IN (SELECT value FROM json_each(:recipients)))
);

-- scrub_deliveries
-- Forget whom a person's deliveries within a stretch were for.
UPDATE delivery SET
    recipient = iif(channel = 'email', 'customer:', recipient),
    customer_id = NULL,
    lane = NULL,
    reason = :reason
WHERE seq > :after AND seq <= :through AND +org_id = :org_id AND state <> 'sending'
    AND (customer_id = :customer_id OR recipient IN (SELECT value FROM json_each(:recipients)));

-- persons_in_hands
-- How many of a person's deliveries within a stretch are in workers' hands, and so were left as they are.
SELECT count(*) FROM delivery
WHERE seq > :after AND seq <= :through AND +org_id = :org_id AND state = 'sending'
    AND (customer_id = :customer_id OR recipient IN (SELECT value FROM json_each(:recipients)));

-- persons_under_way
-- How many of a person's deliveries are in workers' hands.
SELECT count(*) FROM delivery INDEXED BY delivery_leased
WHERE state = 'sending' AND org_id = :org_id AND (
    customer_id = :customer_id
    OR recipient IN (SELECT value FROM json_each(:recipients))
    OR EXISTS (
        SELECT 1 FROM digest_member CROSS JOIN event ON event.seq = digest_member.event_seq
        WHERE digest_member.delivery_seq = delivery.seq AND event.customer_id = :customer_id
    )
);

-- scrub_events
-- Forget what a person's events within a stretch said; id and digest stay, so that a repeat is still one.
UPDATE event SET content = x'', customer_id = NULL
WHERE seq > :after AND seq <= :through AND org_id = :org_id AND customer_id = :customer_id;

-- drop_contact
-- Let go of a contact.
DELETE FROM contact WHERE org_id = :org_id AND customer_id = :customer_id;

-- rejected_bodies
-- Every body that could not be used.
SELECT seq, body, reason FROM rejected_body;

-- drop_rejected_bodies
-- Let go of some of them.
DELETE FROM rejected_body WHERE seq IN (SELECT value FROM json_each(:seqs));

-- scrub_suppressions
-- Keep of a suppressed address only what it is found by.
UPDATE suppression SET address = NULL, detail = ''
WHERE org_id = :org_id AND address_key = :address_key AND address IS NOT NULL;
