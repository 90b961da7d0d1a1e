-- delivery_document
-- A delivery as one JSON array in the order of Delivery's fields: a page travels as one value, not row by row.
CREATE TEMP VIEW delivery_document AS
SELECT
    seq, id, event_seq, org_id, event_id, rule_id, state, created_at, fence, wake_at, attempts,
    lane IS NOT NULL AS in_lane,
    json_array(
        id, org_id, event_id, event_name, rule_id, action, revision, channel, recipient, customer_id,
        state, reason, created_at, due_at, expires_at, attempts - earlier_attempts, settled_at
    ) AS document
FROM main.delivery;
