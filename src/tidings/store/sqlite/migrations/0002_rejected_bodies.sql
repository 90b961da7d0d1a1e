-- Bodies that vendors sent and that could not be used, kept for inspection.

CREATE TABLE rejected_body (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    intake TEXT NOT NULL,
    reason TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT;
