-- lock_lanes
-- Wait until nobody else adds to, settles or moves what is in these lanes, then keep others waiting.
-- A lane has one of 256 locks, so that a transaction takes few of the server's; all take them in one order.
SELECT pg_advisory_xact_lock(29801, lock)
FROM (
    SELECT DISTINCT hashtext(org_id::text || ':' || lane) & 255 AS lock
    FROM unnest(:org_ids::bigint[], :lanes::text[]) AS wanted (org_id, lane)
    ORDER BY lock
) AS wanted;

-- lock_lanes_of
-- The same for the lanes of some deliveries.
SELECT pg_advisory_xact_lock(29801, lock)
FROM (
    SELECT DISTINCT hashtext(org_id::text || ':' || lane) & 255 AS lock
    FROM delivery WHERE id = ANY(:ids::text[]) AND lane IS NOT NULL
    ORDER BY lock
) AS wanted;

-- park_followers
-- In the lanes of the given deliveries, take out of the queue whatever an earlier one goes before.
UPDATE delivery SET parked_at = wake_at, wake_at = NULL
WHERE wake_at IS NOT NULL AND state <> 'sending' AND seq IN (
    SELECT later.seq
    FROM (
        SELECT DISTINCT org_id, lane FROM delivery WHERE id = ANY(:ids::text[])
    ) AS touched JOIN delivery AS later
        ON later.org_id = touched.org_id AND later.lane = touched.lane
        AND later.lane IS NOT NULL AND later.wake_at IS NOT NULL
    WHERE later.state <> 'sending' AND (
        EXISTS (
            SELECT 1 FROM delivery AS earlier
            WHERE earlier.org_id = later.org_id AND earlier.lane = later.lane
                AND earlier.lane IS NOT NULL AND earlier.wake_at IS NOT NULL
                AND earlier.seq < later.seq
        )
        OR EXISTS (
            SELECT 1 FROM delivery AS earlier
            WHERE earlier.org_id = later.org_id AND earlier.lane = later.lane AND earlier.parked_at IS NOT NULL
                AND earlier.seq < later.seq
        )
    )
);

-- release_heads
-- In the lanes of the given deliveries, put what nothing goes before any more back into the queue.
UPDATE delivery SET wake_at = parked_at, parked_at = NULL
WHERE seq IN (
    SELECT head.seq
    FROM (
        SELECT DISTINCT org_id, lane FROM delivery WHERE id = ANY(:ids::text[])
    ) AS touched CROSS JOIN LATERAL (
        SELECT parked.seq FROM delivery AS parked
        WHERE parked.parked_at IS NOT NULL AND parked.org_id = touched.org_id AND parked.lane = touched.lane
        ORDER BY parked.seq LIMIT 1
    ) AS head
    WHERE NOT EXISTS (
        SELECT 1 FROM delivery AS earlier
        WHERE earlier.org_id = touched.org_id AND earlier.lane = touched.lane
            AND earlier.lane IS NOT NULL AND earlier.wake_at IS NOT NULL
            AND earlier.seq < head.seq
    )
);
