-- deliveries_by_id
-- What an intervention must know of deliveries, kept from all others until the transaction ends.
SELECT id, seq, event_seq, org_id, state, lane IS NOT NULL AS in_lane FROM delivery
WHERE id = ANY(:ids::text[])
ORDER BY seq
FOR UPDATE;

-- events_to_keep
-- Those of the given events that are there, kept from the purge until the transaction ends.
SELECT seq FROM event WHERE seq = ANY(:seqs::bigint[]) ORDER BY seq FOR KEY SHARE;

-- pick_by_event
-- Some deliveries of the events with one id, for an intervention; with their events if these are needed.
SELECT id FROM delivery
WHERE event_id = :event_id AND (:org_id::bigint IS NULL OR org_id = :org_id) AND state = ANY(:states::text[])
    AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
    AND (:rule_id::text IS NULL OR rule_id = :rule_id)
    AND (:channel::text IS NULL OR channel = :channel)
    AND (:recipient::text IS NULL OR recipient = :recipient)
    AND (:eventless::boolean OR EXISTS (SELECT 1 FROM event WHERE event.seq = event_seq))
LIMIT :limit;

-- pick_failed
-- Some deliveries that ended otherwise than delivered, for an intervention.
SELECT id FROM delivery
WHERE state IN ('dead', 'expired', 'suppressed', 'cancelled') AND state = ANY(:states::text[])
    AND (:org_id::bigint IS NULL OR org_id = :org_id)
    AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
    AND (:rule_id::text IS NULL OR rule_id = :rule_id)
    AND (:channel::text IS NULL OR channel = :channel)
    AND (:recipient::text IS NULL OR recipient = :recipient)
    AND (:eventless::boolean OR EXISTS (SELECT 1 FROM event WHERE event.seq = event_seq))
LIMIT :limit;

-- pick_unfinished
-- Some deliveries that have not ended and are in nobody's hands, for an intervention.
SELECT id
FROM (
    SELECT id, event_seq FROM delivery
    WHERE wake_at IS NOT NULL AND state <> 'sending' AND org_id BETWEEN :first_org_id AND :last_org_id AND state = ANY(:states::text[])
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id::text IS NULL OR rule_id = :rule_id)
        AND (:channel::text IS NULL OR channel = :channel)
        AND (:recipient::text IS NULL OR recipient = :recipient)
    UNION ALL
    SELECT id, event_seq FROM delivery
    WHERE parked_at IS NOT NULL AND org_id BETWEEN :first_org_id AND :last_org_id AND state = ANY(:states::text[])
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id::text IS NULL OR rule_id = :rule_id)
        AND (:channel::text IS NULL OR channel = :channel)
        AND (:recipient::text IS NULL OR recipient = :recipient)
) AS found
WHERE :eventless::boolean OR EXISTS (SELECT 1 FROM event WHERE event.seq = event_seq)
LIMIT :limit;

-- deliveries_to_call_off
-- What a later event makes pointless, of one rule to one customer.
SELECT id FROM delivery
WHERE revocable AND state IN ('waiting', 'held', 'sending')
    AND org_id = :org_id AND customer_id = :customer_id AND rule_id = :rule_id AND event_seq < :before
    AND NOT EXISTS (SELECT 1 FROM digest WHERE digest.delivery_seq = delivery.seq);

-- note_call_off
-- Remember of deliveries in workers' hands that they are called off.
UPDATE delivery SET called_off = :reason WHERE seq = ANY(:seqs::bigint[]);

-- move_deliveries
-- Requeue or cancel deliveries; one that has a due time starts a new round of attempts.
UPDATE delivery SET
    state = :state,
    reason = :reason,
    due_at = coalesce(:due_at::bigint, due_at),
    wake_at = :due_at,
    parked_at = NULL,
    called_off = NULL,
    earlier_attempts = CASE WHEN :due_at IS NULL THEN earlier_attempts ELSE attempts END,
    settled_at = :settled_at
WHERE seq = ANY(:seqs::bigint[]);

-- hasten_deliveries
-- Make some deliveries to a recipient due that are held, or wait for another attempt, by number.
UPDATE delivery SET due_at = :now, wake_at = :now
WHERE seq IN (
    SELECT seq FROM delivery
    WHERE org_id = :org_id AND wake_at > :now AND wake_at IS NOT NULL AND state <> 'sending'
        AND recipient = :recipient AND (state = 'held' OR attempts > earlier_attempts) AND seq > :after
        AND NOT EXISTS (SELECT 1 FROM digest WHERE digest.delivery_seq = delivery.seq AND digest.until > :now)
    ORDER BY seq LIMIT :limit
    FOR UPDATE
)
RETURNING seq;
