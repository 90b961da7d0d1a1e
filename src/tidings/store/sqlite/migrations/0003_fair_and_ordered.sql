-- Leases shared among organisations, deliveries in order, rounds of attempts, endpoints' health, retention.

ALTER TABLE delivery ADD COLUMN lane TEXT; -- deliveries of one lane of an organisation go one after the other
ALTER TABLE delivery ADD COLUMN parked_at INTEGER; -- stands for wake_at while an earlier one of its lane has not ended
ALTER TABLE delivery ADD COLUMN earlier_attempts INTEGER NOT NULL DEFAULT 0; -- those made before it was last requeued

-- What waits for its time, by organisation, so that each one's queue has its own beginning.
DROP INDEX delivery_wake;
CREATE INDEX delivery_queue ON delivery (org_id, wake_at, state) WHERE wake_at IS NOT NULL AND state <> 'sending';

-- What is in workers' hands: a few pages that every lease and settlement changes, instead of some in every queue.
CREATE INDEX delivery_leased ON delivery (wake_at, org_id) WHERE state = 'sending';

-- The two halves of a lane: what may be handed out, hardly ever more than one, and what waits behind it.
CREATE INDEX delivery_lane ON delivery (org_id, lane, seq) WHERE lane IS NOT NULL AND wake_at IS NOT NULL;
CREATE INDEX delivery_parked ON delivery (org_id, lane, seq, state, parked_at) WHERE parked_at IS NOT NULL;

-- What retention goes by; both grow at their end, as time does.
CREATE INDEX delivery_settled ON delivery (settled_at) WHERE settled_at IS NOT NULL;
CREATE INDEX event_received ON event (received_at);

-- A revision may go when nothing is left that it decided: no event after used_seq is one of those.
ALTER TABLE revision ADD COLUMN used_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE revision ADD COLUMN saved INTEGER NOT NULL DEFAULT 0; -- rises with each saving; the last saved is in use
UPDATE revision SET
    used_seq = coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0),
    saved = (SELECT count(*) FROM revision AS older WHERE (older.created_at, older.id) <= (revision.created_at, revision.id));

CREATE TABLE endpoint_state (
    org_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    failing_since INTEGER,
    disabled_at INTEGER,
    reason TEXT NOT NULL,
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;
