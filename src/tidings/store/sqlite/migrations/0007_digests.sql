-- Deliveries that gather events into one message, and what each has gathered.

CREATE TABLE digest (
    delivery_seq INTEGER PRIMARY KEY REFERENCES delivery (seq) ON DELETE CASCADE,
    org_id INTEGER NOT NULL,
    key TEXT NOT NULL, -- what is gathered together; it names nobody
    until INTEGER NOT NULL, -- when it is to go
    open INTEGER -- 1: it takes more; 0: in a worker's hands for the first time, who may bring it back untried; null: closed
) STRICT;

-- At most one takes more.
CREATE UNIQUE INDEX digest_open ON digest (org_id, key) WHERE open = 1;

CREATE TABLE digest_member (
    delivery_seq INTEGER NOT NULL REFERENCES digest (delivery_seq) ON DELETE CASCADE,
    event_seq INTEGER NOT NULL,
    event_id TEXT NOT NULL,
    added_at INTEGER NOT NULL,
    expires_at INTEGER, -- from when on it is not told any more
    PRIMARY KEY (delivery_seq, event_seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX digest_member_event ON digest_member (event_id, event_seq);
