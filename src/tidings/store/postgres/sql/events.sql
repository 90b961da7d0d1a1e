-- insert_events
-- Store events that are not there yet, with numbers in the order given; whoever stores the same ones waits his turn.
WITH numbered AS MATERIALIZED (
    SELECT nextval('event_seq') AS seq, given.*
    FROM unnest(
        :org_ids::bigint[], :event_ids::text[], :names::text[], :received::bigint[], :revisions::text[],
        :contents::bytea[], :digests::bytea[], :customer_ids::text[], :rules::text[], :traces::text[]
    ) WITH ORDINALITY AS given (
        org_id, event_id, name, received_at, revision, content, digest, customer_id, rules, trace, place
    )
    ORDER BY place
)
INSERT INTO event (seq, org_id, event_id, name, received_at, revision, content, digest, customer_id, matched_rules, trace)
SELECT
    seq, org_id, event_id, name, received_at, revision, content, digest, customer_id, rules, trace
FROM numbered
ORDER BY org_id, event_id
ON CONFLICT (org_id, event_id) DO NOTHING
RETURNING org_id, event_id, seq;

-- decided_events
-- What was decided for events, by identity. Locking them leaves a trace in the log, so that committing waits for the
-- standby: whoever stored them may have given up waiting.
SELECT org_id, event_id, digest, matched_rules, ARRAY(
    SELECT id FROM (
        SELECT seq, id FROM delivery WHERE delivery.event_id = event.event_id AND delivery.org_id = event.org_id
        UNION
        SELECT delivery.seq, delivery.id FROM digest_member JOIN delivery ON delivery.seq = digest_member.delivery_seq
        WHERE digest_member.event_id = event.event_id AND digest_member.event_seq = event.seq
    ) AS told
    ORDER BY seq
) AS delivery_ids
FROM unnest(:org_ids::bigint[], :event_ids::text[]) AS wanted (org_id, event_id) JOIN event USING (org_id, event_id)
FOR KEY SHARE OF event;

-- get_event
-- One event.
SELECT org_id, event_id, name, received_at, revision, content, digest, customer_id, matched_rules, trace
FROM event WHERE org_id = :org_id AND event_id = :event_id;

-- list_events
-- A page of events, newest first.
SELECT seq, org_id, event_id, name, received_at, revision, customer_id, matched_rules FROM event
WHERE seq < :before
    AND (:org_id::bigint IS NULL OR org_id = :org_id)
    AND (:name::text IS NULL OR name = :name)
ORDER BY seq DESC LIMIT :limit;
