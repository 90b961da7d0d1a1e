-- park_followers
-- In the lanes of the given deliveries, take out of the queue whatever an earlier one goes before.
UPDATE delivery SET parked_at = wake_at, wake_at = NULL
WHERE seq IN (
    SELECT later.seq
    FROM (
        SELECT DISTINCT delivery.org_id, delivery.lane
        FROM json_each(:ids) AS touched CROSS JOIN delivery ON delivery.id = touched.value
    ) AS touched_lane
    CROSS JOIN delivery AS later INDEXED BY delivery_lane
        ON later.org_id = touched_lane.org_id AND later.lane = touched_lane.lane AND later.wake_at IS NOT NULL
    WHERE later.state <> 'sending' AND (
        EXISTS (
            SELECT 1 FROM delivery AS earlier INDEXED BY delivery_lane
            WHERE earlier.org_id = later.org_id AND earlier.lane = later.lane AND earlier.wake_at IS NOT NULL
                AND earlier.seq < later.seq
        )
        OR EXISTS (
            SELECT 1 FROM delivery AS earlier INDEXED BY delivery_parked
            WHERE earlier.org_id = later.org_id AND earlier.lane = later.lane AND earlier.parked_at IS NOT NULL
                AND earlier.seq < later.seq
        )
    )
);

-- release_heads
-- In the lanes of the given deliveries, put what nothing goes before any more back into the queue.
UPDATE delivery SET wake_at = parked_at, parked_at = NULL
WHERE seq IN (
    SELECT first_parked
    FROM (
        SELECT touched_lane.org_id, touched_lane.lane, (
            SELECT min(seq) FROM delivery INDEXED BY delivery_parked
            WHERE parked_at IS NOT NULL AND org_id = touched_lane.org_id AND lane = touched_lane.lane
        ) AS first_parked
        FROM (
            SELECT DISTINCT delivery.org_id, delivery.lane
            FROM json_each(:ids) AS touched CROSS JOIN delivery ON delivery.id = touched.value
        ) AS touched_lane
    ) AS head
    WHERE NOT EXISTS (
        SELECT 1 FROM delivery AS earlier INDEXED BY delivery_lane
        WHERE earlier.org_id = head.org_id AND earlier.lane = head.lane AND earlier.wake_at IS NOT NULL
            AND earlier.seq < head.first_parked
    )
);
