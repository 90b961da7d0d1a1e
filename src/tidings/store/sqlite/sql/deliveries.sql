-- insert_deliveries
-- Store deliveries; one that is there already is the same decision made again.
INSERT INTO delivery (
    id, event_seq, org_id, event_id, event_name, revision, rule_id, action, channel, recipient, customer_id,
    created_at, due_at, expires_at, wake_at
) VALUES (
    :id, :event_seq, :org_id, :event_id, :event_name, :revision, :rule_id, :action, :channel, :recipient, :customer_id,
    :created_at, :due_at, :expires_at, :wake_at
)
ON CONFLICT (id) DO NOTHING;

-- due_deliveries
-- The oldest deliveries that a lease may take, with their events.
SELECT group_concat(
    '[' || seq || ',' || fence || ',"'
    || coalesce((SELECT hex(content) FROM event WHERE event.seq = event_seq), '') || '",' || document || ']'
)
FROM (
    SELECT seq, fence, event_seq, document FROM delivery_document
    WHERE wake_at <= :now ORDER BY wake_at, state, seq LIMIT :limit
);

-- take_deliveries
-- Put deliveries in the hands of one worker; whoever held them before finds the fence moved on.
UPDATE delivery SET state = 'sending', fence = fence + 1, wake_at = :wake_at
WHERE seq IN (SELECT value FROM json_each(:seqs));

-- held_deliveries
-- Those of the given deliveries that are in somebody's hands.
SELECT group_concat(json_array(delivery.id, delivery.seq, delivery.fence, delivery.attempts))
FROM json_each(:ids) AS wanted CROSS JOIN delivery ON delivery.id = wanted.value
WHERE delivery.state = 'sending';

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

-- insert_attempts
-- Store attempts.
INSERT INTO attempt (delivery_seq, number, started_at, duration_ms, outcome, status_code, detail)
VALUES (:delivery_seq, :number, :started_at, :duration_ms, :outcome, :status_code, :detail);

-- next_due
-- The earliest time at which a lease could take something.
SELECT min(wake_at) FROM delivery WHERE wake_at IS NOT NULL;

-- backlog
-- How many deliveries have not ended, by state, and since when the oldest could be taken.
SELECT state, count(*), min(wake_at) FROM delivery WHERE wake_at IS NOT NULL GROUP BY state;

-- get_delivery
-- One delivery with its attempts, oldest first.
SELECT document, (
    SELECT group_concat(attempt) FROM (
        SELECT json_array(number, started_at, duration_ms, outcome, status_code, detail) AS attempt
        FROM attempt WHERE delivery_seq = delivery_document.seq ORDER BY number
    )
)
FROM delivery_document WHERE id = :id;
