-- room_left
-- Whether a unit is counted already, and when the last delivery was sent that uses up the room if each counted.
SELECT EXISTS (
    SELECT 1 FROM reservation WHERE org_id = :org_id AND key = :key AND unit = :unit AND sent_at > :since
), (
    SELECT sent_at FROM reservation INDEXED BY reservation_newest
    WHERE org_id = :org_id AND key = :key AND sent_at > :since
    ORDER BY sent_at DESC LIMIT 1 OFFSET :limit - 1
);

-- room_left_by_unit
-- When the last unit was sent that uses up the room.
SELECT max(sent_at) AS last_at FROM reservation INDEXED BY reservation_newest
WHERE org_id = :org_id AND key = :key AND sent_at > :since
GROUP BY unit ORDER BY last_at DESC LIMIT 1 OFFSET :limit - 1;

-- insert_reservations
-- Count a delivery; one that is counted already stays as it is.
INSERT INTO reservation (org_id, key, sent_at, unit, delivery_id)
VALUES (:org_id, :key, :sent_at, :unit, :delivery_id)
ON CONFLICT DO NOTHING;

-- keep_reservations
-- Count deliveries from when they were sent; where nothing is counted at all, none of them is looked for.
UPDATE reservation SET sent_at = sent.value ->> 1
FROM json_each(iif((SELECT min(sent_at) FROM reservation) IS NULL, '[]', :sent)) AS sent
WHERE delivery_id = sent.value ->> 0;

-- drop_reservations
-- Count deliveries no more: they ended without being sent.
DELETE FROM reservation WHERE delivery_id IN (SELECT value FROM json_each(:ids));

-- drop_old_reservations
-- Let go of what no window reaches back to.
DELETE FROM reservation WHERE (org_id, key, unit, delivery_id) IN (
    SELECT org_id, key, unit, delivery_id FROM reservation INDEXED BY reservation_sent
    WHERE sent_at < :before ORDER BY sent_at LIMIT :limit
);
