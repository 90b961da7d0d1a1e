-- drop_deliveries
-- Let go of the deliveries, with their attempts, that ended longest ago.
DELETE FROM delivery WHERE seq IN (
    SELECT seq FROM delivery INDEXED BY delivery_settled
    WHERE settled_at < :before ORDER BY settled_at LIMIT :limit
);

-- events_to_drop
-- The oldest events, after a place, that no unfinished delivery needs.
SELECT group_concat(json_array(received_at, seq, org_id, event_id))
FROM (
    SELECT received_at, seq, org_id, event_id FROM event INDEXED BY event_received
    WHERE received_at < :before
        AND (received_at, seq) > (:received_at, :seq)
        AND NOT EXISTS (
            SELECT 1 FROM delivery INDEXED BY delivery_event
            WHERE delivery.event_id = event.event_id AND delivery.org_id = event.org_id
                AND (wake_at IS NOT NULL OR parked_at IS NOT NULL)
        )
        AND NOT EXISTS (
            SELECT 1 FROM digest_member CROSS JOIN delivery ON delivery.seq = digest_member.delivery_seq
            WHERE digest_member.event_id = event.event_id AND digest_member.event_seq = event.seq
                AND delivery.settled_at IS NULL
        )
    ORDER BY received_at, seq LIMIT :limit
);

-- drop_events
-- Let go of events.
DELETE FROM event WHERE seq IN (SELECT value FROM json_each(:seqs));

-- drop_revisions
-- Let go of revisions that decided nothing that is left, and that are not in use.
DELETE FROM revision WHERE id IN (
    SELECT id FROM revision
    WHERE created_at < :before
        AND saved < (SELECT max(saved) FROM revision)
        AND used_seq < coalesce((SELECT min(seq) FROM event), 9223372036854775807)
        AND used_seq < coalesce((
            SELECT event_seq FROM delivery WHERE seq = (SELECT min(seq) FROM delivery)
        ), 9223372036854775807)
    LIMIT :limit
);

-- use_revision
-- Note that a revision decides events up to one.
UPDATE revision SET used_seq = max(used_seq, :used_seq) WHERE id = :id;
