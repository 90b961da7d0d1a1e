-- list_all
-- A page of all deliveries, newest first. In every listing the page is cut before its rows are read whole.
SELECT group_concat(delivery_document.document)
FROM (
    SELECT seq FROM delivery INDEXED BY delivery_created
    WHERE (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id IS NULL OR rule_id = :rule_id)
        AND (:channel IS NULL OR channel = :channel)
        AND (:recipient IS NULL OR recipient = :recipient)
        AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    ORDER BY created_at DESC, id DESC LIMIT :limit
) AS page CROSS JOIN delivery_document ON delivery_document.seq = page.seq;

-- list_by_org
-- A page of one organisation's deliveries, newest first.
SELECT group_concat(delivery_document.document)
FROM (
    SELECT seq FROM delivery INDEXED BY delivery_org_created
    WHERE org_id = :org_id
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id IS NULL OR rule_id = :rule_id)
        AND (:channel IS NULL OR channel = :channel)
        AND (:recipient IS NULL OR recipient = :recipient)
        AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    ORDER BY created_at DESC, id DESC LIMIT :limit
) AS page CROSS JOIN delivery_document ON delivery_document.seq = page.seq;

-- list_by_event
-- A page of the deliveries of the events with one id, newest first, and of the digests that have gathered them.
SELECT group_concat(delivery_document.document)
FROM (
    SELECT seq
    FROM (
        SELECT seq, org_id, created_at, id, rule_id, channel, recipient, state FROM delivery INDEXED BY delivery_event
        WHERE event_id = :event_id
        UNION
        SELECT seq, org_id, created_at, id, rule_id, channel, recipient, state
        FROM digest_member CROSS JOIN delivery ON delivery.seq = digest_member.delivery_seq
        WHERE digest_member.event_id = :event_id
    )
    WHERE (:org_id IS NULL OR org_id = :org_id)
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id IS NULL OR rule_id = :rule_id)
        AND (:channel IS NULL OR channel = :channel)
        AND (:recipient IS NULL OR recipient = :recipient)
        AND (:states IS NULL OR state IN (SELECT value FROM json_each(:states)))
    ORDER BY created_at DESC, id DESC LIMIT :limit
) AS page CROSS JOIN delivery_document ON delivery_document.seq = page.seq;

-- list_unfinished
-- A page of deliveries that have not ended, newest first.
SELECT group_concat(delivery_document.document)
FROM (
    SELECT seq
    FROM (
        SELECT seq, created_at, id FROM delivery INDEXED BY delivery_queue
        WHERE wake_at IS NOT NULL AND state <> 'sending' AND org_id BETWEEN :first_org_id AND :last_org_id
            AND state IN (SELECT value FROM json_each(:states))
            AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
            AND (:rule_id IS NULL OR rule_id = :rule_id)
            AND (:channel IS NULL OR channel = :channel)
            AND (:recipient IS NULL OR recipient = :recipient)
        UNION ALL
        SELECT seq, created_at, id FROM delivery INDEXED BY delivery_leased
        WHERE state = 'sending' AND org_id BETWEEN :first_org_id AND :last_org_id
            AND state IN (SELECT value FROM json_each(:states))
            AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
            AND (:rule_id IS NULL OR rule_id = :rule_id)
            AND (:channel IS NULL OR channel = :channel)
            AND (:recipient IS NULL OR recipient = :recipient)
        UNION ALL
        SELECT seq, created_at, id FROM delivery INDEXED BY delivery_parked
        WHERE parked_at IS NOT NULL AND org_id BETWEEN :first_org_id AND :last_org_id
            AND state IN (SELECT value FROM json_each(:states))
            AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
            AND (:rule_id IS NULL OR rule_id = :rule_id)
            AND (:channel IS NULL OR channel = :channel)
            AND (:recipient IS NULL OR recipient = :recipient)
    )
    ORDER BY created_at DESC, id DESC LIMIT :limit
) AS page CROSS JOIN delivery_document ON delivery_document.seq = page.seq;

-- list_failed
-- A page of deliveries that ended otherwise than delivered, newest first.
SELECT group_concat(delivery_document.document)
FROM (
    SELECT seq FROM delivery INDEXED BY delivery_failed
    WHERE state IN ('dead', 'expired', 'suppressed', 'cancelled')
        AND state IN (SELECT value FROM json_each(:states))
        AND (:org_id IS NULL OR org_id = :org_id)
        AND (created_at, id) < (:created_at, :id) AND created_at >= :created_from
        AND (:rule_id IS NULL OR rule_id = :rule_id)
        AND (:channel IS NULL OR channel = :channel)
        AND (:recipient IS NULL OR recipient = :recipient)
    ORDER BY created_at DESC, id DESC LIMIT :limit
) AS page CROSS JOIN delivery_document ON delivery_document.seq = page.seq;
