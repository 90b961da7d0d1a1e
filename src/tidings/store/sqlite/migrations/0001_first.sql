-- Events, deliveries and their attempts, contacts, rulebook revisions.

-- Rows are appended by seq, so that storing an event costs the same however many there are.
-- Its identity (org_id, event_id) is found through event_key: see ids.py.
CREATE TABLE event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice, because deliveries outlive their events
    org_id INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    name TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    revision TEXT NOT NULL,
    content BLOB NOT NULL,
    digest BLOB NOT NULL,
    customer_id TEXT,
    matched_rules TEXT NOT NULL -- JSON array
) STRICT;

-- A 64-bit hash of (org_id, event_id), and where the event is. Two events may share a key.
CREATE TABLE event_key (
    key INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (key, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE ledger (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    indexed_seq INTEGER NOT NULL, -- every event up to here is in event_key
    beats INTEGER NOT NULL -- grows with every check that the store can commit
) STRICT;

INSERT INTO ledger (id, indexed_seq, beats) VALUES (1, 0, 0);

-- What an event gave it is copied, and event_seq is no foreign key, because deliveries are kept longer than events.
CREATE TABLE delivery (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    event_seq INTEGER NOT NULL,
    org_id INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    event_name TEXT NOT NULL,
    revision TEXT NOT NULL,
    rule_id TEXT NOT NULL,
    action INTEGER NOT NULL,
    channel TEXT NOT NULL,
    recipient TEXT NOT NULL,
    customer_id TEXT,
    state TEXT NOT NULL DEFAULT 'waiting',
    reason TEXT NOT NULL DEFAULT '',
    created_at INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    expires_at INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    settled_at INTEGER,
    fence INTEGER NOT NULL DEFAULT 0,
    wake_at INTEGER -- when a lease may take it; null once it has ended
) STRICT;

CREATE INDEX delivery_event ON delivery (event_id, org_id);
CREATE INDEX delivery_created ON delivery (created_at, id);
CREATE INDEX delivery_org_created ON delivery (org_id, created_at, id);

-- Only what has not ended is in it, so that leasing costs the same however long the history.
CREATE INDEX delivery_wake ON delivery (wake_at, state) WHERE wake_at IS NOT NULL;

-- What somebody may want to look at; delivered ones, nearly all, never enter it.
CREATE INDEX delivery_failed ON delivery (state, created_at, id)
WHERE state IN ('dead', 'expired', 'suppressed', 'cancelled');

CREATE TABLE attempt (
    delivery_seq INTEGER NOT NULL REFERENCES delivery (seq) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    duration_ms INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    status_code INTEGER NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (delivery_seq, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE contact (
    org_id INTEGER NOT NULL,
    customer_id TEXT NOT NULL,
    email TEXT,
    name TEXT,
    locale TEXT,
    time_zone TEXT,
    PRIMARY KEY (org_id, customer_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE revision (
    id TEXT PRIMARY KEY,
    created_at INTEGER NOT NULL,
    archive BLOB NOT NULL
) STRICT;
