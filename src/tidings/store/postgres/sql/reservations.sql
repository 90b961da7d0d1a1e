-- lock_keys
-- Wait until nobody else counts against these keys, then keep others waiting; see lock_lanes.
SELECT pg_advisory_xact_lock(29803, lock)
FROM (
    SELECT DISTINCT hashtext(org_id::text || ':' || key) & 255 AS lock
    FROM unnest(:org_ids::bigint[], :keys::text[]) AS wanted (org_id, key)
    ORDER BY lock
) AS wanted;

-- room_left
-- For each limit whether its unit is counted already, and if not, when the unit was sent that uses up the room.
-- Counting by unit is dearer, and done only where counting each delivery leaves no room.
SELECT CASE WHEN counted OR full_at IS NULL THEN NULL ELSE (
    SELECT max(sent_at) AS last_at FROM reservation
    WHERE reservation.org_id = :org_id AND reservation.key = asked.key AND sent_at > asked.since
    GROUP BY reservation.unit ORDER BY last_at DESC LIMIT 1 OFFSET asked.most - 1
) END AS last_at
FROM (
    SELECT wanted.*, EXISTS (
        SELECT 1 FROM reservation
        WHERE reservation.org_id = :org_id AND reservation.key = wanted.key AND reservation.unit = wanted.unit
            AND sent_at > wanted.since
    ) AS counted, (
        SELECT sent_at FROM reservation
        WHERE reservation.org_id = :org_id AND reservation.key = wanted.key AND sent_at > wanted.since
        ORDER BY sent_at DESC LIMIT 1 OFFSET wanted.most - 1
    ) AS full_at
    FROM unnest(:keys::text[], :units::text[], :limits::bigint[], :sinces::bigint[])
        WITH ORDINALITY AS wanted (key, unit, most, since, place)
) AS asked
ORDER BY place;

-- insert_reservations
-- Count a delivery; one that is counted already stays as it is.
INSERT INTO reservation (org_id, key, sent_at, unit, delivery_id)
SELECT DISTINCT :org_id::bigint, key, :sent_at::bigint, unit, :delivery_id::text
FROM unnest(:keys::text[], :units::text[]) AS counted (key, unit)
ON CONFLICT DO NOTHING;

-- keep_reservations
-- Count deliveries from when they were sent.
UPDATE reservation SET sent_at = sent.at
FROM unnest(:ids::text[], :times::bigint[]) AS sent (id, at)
WHERE delivery_id = sent.id;

-- drop_reservations
-- Count deliveries no more: they ended without being sent.
DELETE FROM reservation WHERE delivery_id = ANY(:ids::text[]);
