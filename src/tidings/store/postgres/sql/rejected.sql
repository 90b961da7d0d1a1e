-- keep_rejected
-- Keep bodies that could not be used.
INSERT INTO rejected_body (id, received_at, intake, reason, body)
SELECT id, received_at, intake, reason, body
FROM unnest(:ids::text[], :received::bigint[], :intakes::text[], :reasons::text[], :bodies::bytea[])
    WITH ORDINALITY AS given (id, received_at, intake, reason, body, place)
ORDER BY place;

-- drop_rejected
-- Let go of bodies past their time, and of the oldest beyond the number kept.
DELETE FROM rejected_body
WHERE received_at < :not_before
    OR seq <= coalesce((SELECT seq FROM rejected_body ORDER BY seq DESC LIMIT 1 OFFSET :keep), 0);

-- list_rejected
-- A page of rejected bodies, newest first.
SELECT seq, id, received_at, intake, reason, body FROM rejected_body
WHERE seq < :before ORDER BY seq DESC LIMIT :limit;
