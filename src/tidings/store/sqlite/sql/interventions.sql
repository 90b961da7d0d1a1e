-- deliveries_by_id
-- What an intervention must know of deliveries, and whether their events are still there.
SELECT group_concat(json_array(delivery.id, delivery.seq, delivery.org_id, delivery.state, delivery.lane IS NOT NULL, EXISTS (
    SELECT 1 FROM event WHERE event.seq = delivery.event_seq
)))
FROM json_each(:ids) AS wanted CROSS JOIN delivery ON delivery.id = wanted.value;

-- pick_by_event
-- Some deliveries of the events with one id, for an intervention; with their events if these are needed.
SELECT group_concat(json_array(delivery.id, delivery.seq, delivery.org_id, delivery.state, delivery.lane IS NOT NULL, EXISTS (
    SELECT 1 FROM event WHERE event.seq = delivery.event_seq
)))
FROM (
    SELECT seq FROM delivery INDEXED BY delivery_event
    WHERE event_id = :event_id
        AND (:org_id IS NULL OR org_id = :org_id)
        AND state IN (SELECT value FROM json_each(:states))
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id IS NULL OR rule_id = :rule_id)
        AND (:channel IS NULL OR channel = :channel)
        AND (:recipient IS NULL OR recipient = :recipient)
        AND (:eventless OR EXISTS (SELECT 1 FROM event WHERE event.seq = event_seq))
    LIMIT :limit
) AS page CROSS JOIN delivery ON delivery.seq = page.seq;

-- pick_failed
-- Some deliveries that ended otherwise than delivered, for an intervention.
SELECT group_concat(json_array(delivery.id, delivery.seq, delivery.org_id, delivery.state, delivery.lane IS NOT NULL, EXISTS (
    SELECT 1 FROM event WHERE event.seq = delivery.event_seq
)))
FROM (
    SELECT seq FROM delivery INDEXED BY delivery_failed
    WHERE state IN ('dead', 'expired', 'suppressed', 'cancelled')
        AND state IN (SELECT value FROM json_each(:states))
        AND (:org_id IS NULL OR org_id = :org_id)
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id IS NULL OR rule_id = :rule_id)
        AND (:channel IS NULL OR channel = :channel)
        AND (:recipient IS NULL OR recipient = :recipient)
        AND (:eventless OR EXISTS (SELECT 1 FROM event WHERE event.seq = event_seq))
    LIMIT :limit
) AS page CROSS JOIN delivery ON delivery.seq = page.seq;

-- pick_unfinished
-- Some deliveries that have not ended and are in nobody's hands, for an intervention.
SELECT group_concat(json_array(delivery.id, delivery.seq, delivery.org_id, delivery.state, delivery.lane IS NOT NULL, EXISTS (
    SELECT 1 FROM event WHERE event.seq = delivery.event_seq
)))
FROM (
    SELECT seq FROM delivery INDEXED BY delivery_queue
    WHERE wake_at IS NOT NULL AND state <> 'sending' AND org_id BETWEEN :first_org_id AND :last_org_id
        AND state IN (SELECT value FROM json_each(:states))
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id IS NULL OR rule_id = :rule_id)
        AND (:channel IS NULL OR channel = :channel)
        AND (:recipient IS NULL OR recipient = :recipient)
    UNION ALL
    SELECT seq FROM delivery INDEXED BY delivery_parked
    WHERE parked_at IS NOT NULL AND org_id BETWEEN :first_org_id AND :last_org_id
        AND state IN (SELECT value FROM json_each(:states))
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id IS NULL OR rule_id = :rule_id)
        AND (:channel IS NULL OR channel = :channel)
        AND (:recipient IS NULL OR recipient = :recipient)
    LIMIT :limit
) AS page CROSS JOIN delivery ON delivery.seq = page.seq;

-- deliveries_to_call_off
-- What a later event makes pointless, of one rule to one customer.
SELECT group_concat(json_array(id, seq, org_id, state, lane IS NOT NULL, 1))
FROM delivery INDEXED BY delivery_revocable
WHERE revocable = 1 AND state IN ('waiting', 'held', 'sending')
    AND org_id = :org_id AND customer_id = :customer_id AND rule_id = :rule_id AND event_seq < :before
    AND NOT EXISTS (SELECT 1 FROM digest WHERE digest.delivery_seq = delivery.seq);

-- note_call_off
-- Remember of deliveries in workers' hands that they are called off.
UPDATE delivery SET called_off = :reason WHERE seq IN (SELECT value FROM json_each(:seqs));

-- move_deliveries
-- Requeue or cancel deliveries; one that has a due time starts a new round of attempts.
UPDATE delivery SET
    state = :state,
    reason = :reason,
    due_at = coalesce(:due_at, due_at),
    wake_at = :due_at,
    parked_at = NULL,
    called_off = NULL,
    earlier_attempts = iif(:due_at IS NULL, earlier_attempts, attempts),
    settled_at = :settled_at
WHERE seq IN (SELECT value FROM json_each(:seqs));

-- hasten_deliveries
-- Make some deliveries to a recipient due that are held, or wait for another attempt, by number.
UPDATE delivery SET due_at = :now, wake_at = :now
WHERE seq IN (
    SELECT seq FROM delivery INDEXED BY delivery_queue
    WHERE org_id = :org_id AND wake_at > :now AND wake_at IS NOT NULL AND state <> 'sending'
        AND recipient = :recipient AND (state = 'held' OR attempts > earlier_attempts) AND seq > :after
        AND NOT EXISTS (SELECT 1 FROM digest WHERE digest.delivery_seq = delivery.seq AND digest.until > :now)
    ORDER BY seq LIMIT :limit
)
RETURNING seq;
