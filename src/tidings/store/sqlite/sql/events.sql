-- how_far_events_go
-- How far the events go, and how far runs of keys cover them.
SELECT
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0),
    (SELECT indexed_seq FROM ledger);

-- identities_after
-- Identities of the next events after one.
SELECT group_concat(json_array(seq, org_id, event_id))
FROM (SELECT seq, org_id, event_id FROM event WHERE seq > :after_seq ORDER BY seq LIMIT :limit);

-- insert_events
-- Store events.
INSERT INTO event (
    seq, org_id, event_id, name, received_at, revision, content, digest, customer_id, matched_rules, trace
) VALUES (
    :seq, :org_id, :event_id, :name, :received_at, :revision, :content, :digest, :customer_id, :matched_rules,
    :trace
);

-- insert_new_events
-- Store events, all or none: none if others have recorded or covered any since memory knew of all.
INSERT INTO event (
    seq, org_id, event_id, name, received_at, revision, content, digest, customer_id, matched_rules, trace
)
SELECT * FROM (VALUES (
    :seq, :org_id, :event_id, :name, :received_at, :revision, :content, :digest, :customer_id, :matched_rules,
    :trace
))
WHERE column1 IS NOT NULL
    AND coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0) = :known_seq
    AND (SELECT indexed_seq FROM ledger) = :indexed_seq;

-- set_indexed_seq
-- Note how far runs of keys cover the events.
UPDATE ledger SET indexed_seq = :indexed_seq;

-- decided_events
-- What was decided for events, by seq.
SELECT group_concat(json_array(event.org_id, event.event_id, hex(event.digest), json(event.matched_rules), (
    SELECT json_group_array(id) FROM (
        SELECT seq, id FROM delivery WHERE event_id = event.event_id AND org_id = event.org_id
        UNION
        SELECT delivery.seq, delivery.id FROM digest_member CROSS JOIN delivery ON delivery.seq = digest_member.delivery_seq
        WHERE digest_member.event_id = event.event_id AND digest_member.event_seq = event.seq
        ORDER BY seq
    )
)))
FROM json_each(:seqs) AS wanted CROSS JOIN event ON event.seq = wanted.value;

-- get_event
-- One event among the few that share its key, or among those of other processes that are neither known nor covered.
SELECT org_id, event_id, name, received_at, revision, content, digest, customer_id, matched_rules, trace
FROM event
WHERE seq IN (
    SELECT value FROM json_each(:seqs)
    UNION ALL SELECT seq FROM event WHERE seq > max(:known_seq, :indexed_seq)
) AND org_id = :org_id AND event_id = :event_id;
