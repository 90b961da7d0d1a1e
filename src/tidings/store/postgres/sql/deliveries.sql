-- insert_deliveries
-- Store deliveries, with numbers in the order given; one that is there already is the same decision made again.
WITH numbered AS MATERIALIZED (
    SELECT nextval('delivery_seq') AS seq, given.*
    FROM unnest(
        :ids::text[], :event_seqs::bigint[], :org_ids::bigint[], :event_ids::text[], :event_names::text[],
        :revisions::text[], :rule_ids::text[], :actions::bigint[], :channels::text[], :recipients::text[],
        :customer_ids::text[], :created::bigint[], :due::bigint[], :expiring::bigint[], :lanes::text[],
        :revocable::boolean[]
    ) WITH ORDINALITY AS given (
        id, event_seq, org_id, event_id, event_name, revision, rule_id, action, channel, recipient, customer_id,
        created_at, due_at, expires_at, lane, revocable, place
    )
    ORDER BY place
)
INSERT INTO delivery (
    seq, id, event_seq, org_id, event_id, event_name, revision, rule_id, action, channel, recipient, customer_id,
    created_at, due_at, expires_at, wake_at, lane, revocable
)
SELECT
    seq, id, event_seq, org_id, event_id, event_name, revision, rule_id, action, channel, recipient, customer_id,
    created_at, due_at, expires_at, due_at, lane, revocable
FROM numbered
ORDER BY id
ON CONFLICT (id) DO NOTHING;

-- due_organisations
-- Organisations, from one on, of which something waits that is due.
-- It takes two steps down an index for each organisation of which anything waits.
WITH RECURSIVE organisation (org_id) AS (
    (
        SELECT org_id FROM delivery
        WHERE wake_at IS NOT NULL AND state <> 'sending' AND org_id >= :first
        ORDER BY org_id, wake_at, seq LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT delivery.org_id FROM delivery
        WHERE wake_at IS NOT NULL AND state <> 'sending' AND delivery.org_id > organisation.org_id
        ORDER BY delivery.org_id, wake_at, seq LIMIT 1
    )
    FROM organisation WHERE organisation.org_id IS NOT NULL
)
SELECT org_id FROM organisation
WHERE (
    SELECT wake_at FROM delivery
    WHERE wake_at IS NOT NULL AND state <> 'sending' AND delivery.org_id = organisation.org_id
    ORDER BY wake_at, seq LIMIT 1
) <= :now
LIMIT :limit;

-- lapsed_leases
-- The deliveries whose leases lapsed first, of those that nobody is about to take.
SELECT org_id, wake_at, seq FROM delivery
WHERE state = 'sending' AND wake_at <= :now
ORDER BY wake_at LIMIT :limit
FOR UPDATE SKIP LOCKED;

-- queue_heads
-- For each organisation the beginning of its queue, up to its number, of what nobody is about to take.
SELECT wanted.org_id, head.wake_at, head.seq
FROM unnest(:org_ids::bigint[], :counts::bigint[]) AS wanted (org_id, count) CROSS JOIN LATERAL (
    SELECT wake_at, seq FROM delivery
    WHERE delivery.org_id = wanted.org_id AND wake_at <= :now AND wake_at IS NOT NULL AND state <> 'sending'
    ORDER BY wake_at, seq LIMIT wanted.count
    FOR UPDATE SKIP LOCKED
) AS head;

-- take_deliveries
-- Put deliveries in the hands of one worker; whoever held them before finds the fence moved on.
UPDATE delivery SET state = 'sending', fence = fence + 1, wake_at = :wake_at
FROM unnest(:seqs::bigint[]) AS wanted (seq)
WHERE delivery.seq = wanted.seq
RETURNING delivery.*, (
    SELECT content FROM event WHERE event.seq = delivery.event_seq
) AS content, (SELECT trace FROM event WHERE event.seq = delivery.event_seq) AS trace;

-- held_deliveries
-- Those of the given deliveries that are in somebody's hands, kept from all others until the transaction ends.
SELECT id, seq, org_id, fence, attempts, lane IS NOT NULL AS in_lane, called_off FROM delivery
WHERE id = ANY(:ids::text[]) AND state = 'sending'
ORDER BY seq
FOR UPDATE;

-- renew_deliveries
-- Hold deliveries for longer.
UPDATE delivery SET wake_at = :wake_at WHERE seq = ANY(:seqs::bigint[]);

-- settle_deliveries
-- Write down where deliveries stand now; a due time that is null leaves the old one.
UPDATE delivery SET
    state = moved.state,
    reason = moved.reason,
    due_at = coalesce(moved.due_at, delivery.due_at),
    wake_at = moved.due_at,
    attempts = moved.attempts,
    settled_at = moved.settled_at
FROM unnest(
    :seqs::bigint[], :states::text[], :reasons::text[], :due::bigint[], :attempts::bigint[], :settled::bigint[]
) AS moved (seq, state, reason, due_at, attempts, settled_at)
WHERE delivery.seq = moved.seq;

-- insert_attempts
-- Store attempts.
INSERT INTO attempt (delivery_seq, number, started_at, duration_ms, outcome, status_code, detail)
SELECT * FROM unnest(
    :seqs::bigint[], :numbers::bigint[], :started::bigint[], :durations::bigint[], :outcomes::text[],
    :status_codes::bigint[], :details::text[]
);

-- next_due
-- The earliest time at which a lease could take something, from the beginning of each organisation's queue.
WITH RECURSIVE organisation (org_id) AS (
    (
        SELECT org_id FROM delivery WHERE wake_at IS NOT NULL AND state <> 'sending'
        ORDER BY org_id, wake_at, seq LIMIT 1
    )
    UNION ALL
    SELECT (
        SELECT delivery.org_id FROM delivery
        WHERE wake_at IS NOT NULL AND state <> 'sending' AND delivery.org_id > organisation.org_id
        ORDER BY delivery.org_id, wake_at, seq LIMIT 1
    )
    FROM organisation WHERE organisation.org_id IS NOT NULL
)
SELECT min(due) AS due
FROM (
    SELECT (
        SELECT wake_at FROM delivery
        WHERE wake_at IS NOT NULL AND state <> 'sending' AND delivery.org_id = organisation.org_id
        ORDER BY wake_at, seq LIMIT 1
    ) AS due
    FROM organisation
    UNION ALL
    (SELECT wake_at FROM delivery WHERE state = 'sending' ORDER BY wake_at LIMIT 1)
) AS each_due;

-- backlog
-- How many deliveries wait, are held and are in hands, and since when the oldest that is not parked could be taken.
SELECT
    queue.total - queue.held + parked.total - parked.held AS waiting,
    queue.held + parked.held AS held,
    (SELECT count(*) FROM delivery WHERE state = 'sending') AS sending,
    queue.oldest
FROM (
    SELECT count(*) AS total, count(*) FILTER (WHERE state = 'held') AS held, min(wake_at) AS oldest
    FROM delivery WHERE wake_at IS NOT NULL AND state <> 'sending'
) AS queue CROSS JOIN (
    SELECT count(*) AS total, count(*) FILTER (WHERE state = 'held') AS held
    FROM delivery WHERE parked_at IS NOT NULL
) AS parked;

-- get_delivery
-- One delivery.
SELECT delivery.* FROM delivery WHERE id = :id;

-- attempts_of
-- The attempts of a delivery, oldest first.
SELECT number, started_at, duration_ms, outcome, status_code, detail
FROM attempt WHERE delivery_seq = :seq ORDER BY number;
