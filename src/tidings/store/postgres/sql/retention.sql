-- only_one_purges
-- Whether this transaction is the one that purges: what many replicas begin one of them does.
SELECT pg_try_advisory_xact_lock(29805, 1) AS ours;

-- drop_deliveries
-- Let go of the deliveries, with their attempts, that ended longest ago, from a time on.
WITH gone AS (
    DELETE FROM delivery WHERE seq IN (
        SELECT seq FROM delivery
        WHERE settled_at >= :settled_at AND settled_at < :before ORDER BY settled_at LIMIT :limit
        FOR UPDATE SKIP LOCKED
    ) AND settled_at < :before
    RETURNING seq, settled_at
), with_them AS (
    DELETE FROM attempt WHERE delivery_seq IN (SELECT seq FROM gone)
)
SELECT count(*) AS gone, max(settled_at) AS last FROM gone;

-- events_to_drop
-- The oldest events, after a place, that no unfinished delivery needs, kept from being needed again.
-- OFFSET 0 has each event looked up by itself: to the planner one reading of all deliveries looks cheaper for a batch.
SELECT received_at, seq FROM event
WHERE received_at < :before
    AND (received_at, seq) > (:received_at, :seq)
    AND NOT EXISTS (
        SELECT 1 FROM delivery
        WHERE delivery.event_id = event.event_id AND delivery.org_id = event.org_id
            AND (wake_at IS NOT NULL OR parked_at IS NOT NULL)
        OFFSET 0
    )
    AND NOT EXISTS (
        SELECT 1 FROM digest_member JOIN delivery ON delivery.seq = digest_member.delivery_seq
        WHERE digest_member.event_id = event.event_id AND digest_member.event_seq = event.seq
            AND delivery.settled_at IS NULL
        OFFSET 0
    )
ORDER BY received_at, seq LIMIT :limit
FOR UPDATE OF event SKIP LOCKED;

-- drop_events
-- Let go of events, unless a delivery was requeued since they were looked for.
DELETE FROM event
WHERE seq = ANY(:seqs::bigint[]) AND NOT EXISTS (
    SELECT 1 FROM delivery
    WHERE delivery.event_id = event.event_id AND delivery.org_id = event.org_id
        AND (wake_at IS NOT NULL OR parked_at IS NOT NULL)
    OFFSET 0
);

-- drop_revisions
-- Let go of revisions that decided nothing that is left, and that are not in use.
DELETE FROM revision WHERE id IN (
    SELECT id FROM revision
    WHERE created_at < :before
        AND saved < (SELECT max(saved) FROM revision)
        AND used_seq < coalesce((SELECT min(seq) FROM event), 9223372036854775807)
        AND used_seq < coalesce(
            (SELECT event_seq FROM delivery WHERE seq = (SELECT min(seq) FROM delivery)), 9223372036854775807
        )
    LIMIT :limit
);

-- drop_old_reservations
-- Let go of what no window reaches back to.
DELETE FROM reservation WHERE (org_id, key, unit, delivery_id) IN (
    SELECT org_id, key, unit, delivery_id FROM reservation
    WHERE sent_at < :before ORDER BY sent_at LIMIT :limit
);

-- use_revisions
-- Note up to which event revisions decide.
UPDATE revision SET used_seq = greatest(revision.used_seq, used.seq)
FROM unnest(:ids::text[], :seqs::bigint[]) AS used (id, seq)
WHERE revision.id = used.id;
