-- list_all
-- A page of all deliveries, newest first.
SELECT delivery.* FROM delivery
WHERE (created_at, id) < (:created_at, :id) AND created_at >= :created_from
    AND (:rule_id::text IS NULL OR rule_id = :rule_id)
    AND (:channel::text IS NULL OR channel = :channel)
    AND (:recipient::text IS NULL OR recipient = :recipient)
    AND (:states::text[] IS NULL OR state = ANY(:states))
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- list_by_org
-- A page of one organisation's deliveries, newest first.
SELECT delivery.* FROM delivery
WHERE org_id = :org_id AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
    AND (:rule_id::text IS NULL OR rule_id = :rule_id)
    AND (:channel::text IS NULL OR channel = :channel)
    AND (:recipient::text IS NULL OR recipient = :recipient)
    AND (:states::text[] IS NULL OR state = ANY(:states))
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- list_by_event
-- A page of the deliveries of the events with one id, newest first, and of the digests that have gathered them.
SELECT delivery.* FROM (
    SELECT seq FROM delivery WHERE event_id = :event_id
    UNION
    SELECT delivery_seq FROM digest_member WHERE event_id = :event_id
) AS told JOIN delivery USING (seq)
WHERE (:org_id::bigint IS NULL OR org_id = :org_id)
    AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
    AND (:rule_id::text IS NULL OR rule_id = :rule_id)
    AND (:channel::text IS NULL OR channel = :channel)
    AND (:recipient::text IS NULL OR recipient = :recipient)
    AND (:states::text[] IS NULL OR state = ANY(:states))
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- list_unfinished
-- A page of deliveries that have not ended, newest first.
SELECT delivery.*
FROM (
    SELECT seq FROM delivery
    WHERE wake_at IS NOT NULL AND state <> 'sending' AND org_id BETWEEN :first_org_id AND :last_org_id AND state = ANY(:states::text[])
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id::text IS NULL OR rule_id = :rule_id)
        AND (:channel::text IS NULL OR channel = :channel)
        AND (:recipient::text IS NULL OR recipient = :recipient)
    UNION ALL
    SELECT seq FROM delivery
    WHERE state = 'sending' AND org_id BETWEEN :first_org_id AND :last_org_id AND state = ANY(:states::text[])
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id::text IS NULL OR rule_id = :rule_id)
        AND (:channel::text IS NULL OR channel = :channel)
        AND (:recipient::text IS NULL OR recipient = :recipient)
    UNION ALL
    SELECT seq FROM delivery
    WHERE parked_at IS NOT NULL AND org_id BETWEEN :first_org_id AND :last_org_id AND state = ANY(:states::text[])
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id::text IS NULL OR rule_id = :rule_id)
        AND (:channel::text IS NULL OR channel = :channel)
        AND (:recipient::text IS NULL OR recipient = :recipient)
) AS found JOIN delivery USING (seq)
ORDER BY created_at DESC, id DESC LIMIT :limit;

-- list_failed
-- A page of deliveries that ended otherwise than delivered, newest first.
SELECT delivery.* FROM delivery
WHERE state IN ('dead', 'expired', 'suppressed', 'cancelled') AND state = ANY(:states::text[])
    AND (:org_id::bigint IS NULL OR org_id = :org_id)
    AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
    AND (:rule_id::text IS NULL OR rule_id = :rule_id)
    AND (:channel::text IS NULL OR channel = :channel)
    AND (:recipient::text IS NULL OR recipient = :recipient)
ORDER BY created_at DESC, id DESC LIMIT :limit;
