-- insert_deliveries
-- Store deliveries; one that is there already is the same decision made again.
INSERT INTO delivery (
    id, event_seq, org_id, event_id, event_name, revision, rule_id, action, channel, recipient, customer_id,
    created_at, due_at, expires_at, wake_at, lane, revocable
) VALUES (
    :id, :event_seq, :org_id, :event_id, :event_name, :revision, :rule_id, :action, :channel, :recipient, :customer_id,
    :created_at, :due_at, :expires_at, :wake_at, :lane, :revocable
)
ON CONFLICT (id) DO NOTHING;

-- due_organisations
-- Organisations, from one on, of which something waits that is due, and the deliveries whose leases lapsed first.
-- It takes two steps down an index for each organisation of which anything waits.
WITH RECURSIVE organisation (org_id) AS (
    SELECT min(org_id) FROM delivery INDEXED BY delivery_queue
    WHERE wake_at IS NOT NULL AND state <> 'sending' AND org_id >= :first
    UNION ALL
    SELECT (
        SELECT min(org_id) FROM delivery INDEXED BY delivery_queue
        WHERE wake_at IS NOT NULL AND state <> 'sending' AND org_id > organisation.org_id
    )
    FROM organisation WHERE org_id IS NOT NULL
)
SELECT (
    SELECT group_concat(org_id)
    FROM (
        SELECT org_id FROM organisation
        WHERE (
            SELECT min(wake_at) FROM delivery INDEXED BY delivery_queue
            WHERE wake_at IS NOT NULL AND state <> 'sending' AND delivery.org_id = organisation.org_id
        ) <= :now
        LIMIT :organisations
    )
), (
    SELECT group_concat(json_array(org_id, wake_at, seq))
    FROM (
        SELECT org_id, wake_at, seq FROM delivery INDEXED BY delivery_leased
        WHERE state = 'sending' AND wake_at <= :now ORDER BY wake_at LIMIT :lapsed
    )
);

-- queue_heads
-- For each organisation the beginning of its queue, up to a number, as when and what one after the other.
SELECT group_concat('[' || wanted.value || ',[' || coalesce((
    SELECT group_concat(wake_at || ',' || seq) FROM (
        SELECT wake_at, seq FROM delivery INDEXED BY delivery_queue
        WHERE org_id = wanted.value AND wake_at <= :now AND wake_at IS NOT NULL AND state <> 'sending'
        ORDER BY wake_at, state LIMIT :most
    )
), '') || ']]')
FROM json_each(:org_ids) AS wanted;

-- deliveries_to_hand_out
-- Deliveries with their events and those events' traces, in the order given.
SELECT group_concat(
    '[' || fence || ',' || attempts || ',' || in_lane || ',"' || coalesce((
        SELECT hex(content) || '","' || coalesce(trace, '') FROM event WHERE event.seq = event_seq
    ), '","') || '",' || document || ']'
)
FROM json_each(:seqs) AS wanted CROSS JOIN delivery_document ON delivery_document.seq = wanted.value;

-- take_deliveries
-- Put deliveries in the hands of one worker; whoever held them before finds the fence moved on.
UPDATE delivery SET state = 'sending', fence = fence + 1, wake_at = :wake_at
WHERE seq IN (SELECT value FROM json_each(:seqs));

-- seqs_of_deliveries
-- Where the given deliveries are.
SELECT group_concat(json_array(delivery.id, delivery.seq))
FROM json_each(:ids) AS wanted CROSS JOIN delivery ON delivery.id = wanted.value;

-- held_deliveries
-- Those of the given deliveries, by id and seq, that are in somebody's hands.
SELECT group_concat(json_array(
    delivery.id, delivery.seq, delivery.org_id, delivery.fence, delivery.attempts,
    delivery.lane IS NOT NULL, delivery.called_off
))
FROM json_each(:places) AS wanted CROSS JOIN delivery ON delivery.seq = wanted.value ->> 1
WHERE delivery.id = wanted.value ->> 0 AND delivery.state = 'sending';

-- renew_deliveries
-- Hold deliveries for longer.
UPDATE delivery SET wake_at = :wake_at WHERE seq IN (SELECT value FROM json_each(:seqs));

-- settle_deliveries
-- Write down where deliveries stand now; a due time that is null leaves the old one.
UPDATE delivery SET
    state = moved.value ->> 1,
    reason = moved.value ->> 2,
    due_at = coalesce(moved.value ->> 3, due_at),
    wake_at = moved.value ->> 3,
    attempts = moved.value ->> 4,
    settled_at = moved.value ->> 5
FROM json_each(:moves) AS moved
WHERE delivery.seq = moved.value ->> 0;

-- settle_accepted
-- Note that deliveries were accepted which are in hands as given and not called off: all of them or none.
WITH moved (seq, attempts, settled_at, id, fence) AS MATERIALIZED (
    VALUES (:seq, :attempts, :settled_at, :id, :fence)
)
UPDATE delivery SET
    state = 'delivered', reason = '', wake_at = NULL, attempts = moved.attempts, settled_at = moved.settled_at
FROM moved
WHERE delivery.seq = moved.seq AND :number = (
    SELECT count(*) FROM moved AS wanted CROSS JOIN delivery AS held ON held.seq = wanted.seq
    WHERE held.id = wanted.id AND held.fence = wanted.fence AND held.state = 'sending' AND held.called_off IS NULL
);

-- insert_attempts
-- Store attempts.
INSERT INTO attempt (delivery_seq, number, started_at, duration_ms, outcome, status_code, detail)
VALUES (:delivery_seq, :number, :started_at, :duration_ms, :outcome, :status_code, :detail);

-- next_due
-- The earliest time at which a lease could take something, from the beginning of each organisation's queue.
WITH RECURSIVE organisation (org_id) AS (
    SELECT min(org_id) FROM delivery INDEXED BY delivery_queue WHERE wake_at IS NOT NULL AND state <> 'sending'
    UNION ALL
    SELECT (
        SELECT min(org_id) FROM delivery INDEXED BY delivery_queue
        WHERE wake_at IS NOT NULL AND state <> 'sending' AND org_id > organisation.org_id
    )
    FROM organisation WHERE org_id IS NOT NULL
)
SELECT min(due)
FROM (
    SELECT (
        SELECT min(wake_at) FROM delivery INDEXED BY delivery_queue
        WHERE wake_at IS NOT NULL AND state <> 'sending' AND delivery.org_id = organisation.org_id
    ) AS due
    FROM organisation
    UNION ALL
    SELECT min(wake_at) FROM delivery INDEXED BY delivery_leased WHERE state = 'sending'
);

-- backlog
-- How many deliveries wait, are held and are in hands, and since when the oldest that is not parked could be taken.
-- One pass over each index and no sorting: grouping by state took three times as long.
SELECT
    queue.total - queue.held + parked.total - parked.held,
    queue.held + parked.held,
    (SELECT count(*) FROM delivery INDEXED BY delivery_leased WHERE state = 'sending'),
    queue.oldest
FROM (
    SELECT count(*) AS total, count(*) FILTER (WHERE state = 'held') AS held, min(wake_at) AS oldest
    FROM delivery INDEXED BY delivery_queue WHERE wake_at IS NOT NULL AND state <> 'sending'
) AS queue CROSS JOIN (
    SELECT count(*) AS total, count(*) FILTER (WHERE state = 'held') AS held
    FROM delivery INDEXED BY delivery_parked WHERE parked_at IS NOT NULL
) AS parked;

-- get_delivery
-- One delivery with its attempts, oldest first.
SELECT document, (
    SELECT group_concat(attempt) FROM (
        SELECT json_array(number, started_at, duration_ms, outcome, status_code, detail) AS attempt
        FROM attempt WHERE delivery_seq = delivery_document.seq ORDER BY number
    )
)
FROM delivery_document WHERE id = :id;
