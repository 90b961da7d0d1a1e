-- keep_rejected
-- Keep a body that could not be used.
INSERT INTO rejected_body (id, received_at, intake, reason, body)
VALUES (:id, :received_at, :intake, :reason, :body);

-- drop_rejected
-- Let go of bodies past their time, and of the oldest beyond the number kept.
DELETE FROM rejected_body
WHERE received_at < :not_before
    OR seq NOT IN (SELECT seq FROM rejected_body ORDER BY seq DESC LIMIT :keep);

-- list_rejected
-- A page of rejected bodies, newest first.
SELECT seq, id, received_at, intake, reason, body FROM rejected_body
WHERE seq < :before ORDER BY seq DESC LIMIT :limit;

-- list_events
-- A page of events, newest first.
SELECT seq, org_id, event_id, name, received_at, revision, customer_id, matched_rules FROM event
WHERE seq < :before
    AND (:org_id IS NULL OR org_id = :org_id)
    AND (:name IS NULL OR name = :name)
ORDER BY seq DESC LIMIT :limit;
