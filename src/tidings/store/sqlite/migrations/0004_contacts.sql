-- What customers agreed to, what else is known of them, and addresses that must not be used.

ALTER TABLE contact ADD COLUMN consents TEXT NOT NULL DEFAULT '{}'; -- JSON object of booleans by category
ALTER TABLE contact ADD COLUMN attributes TEXT NOT NULL DEFAULT '{}'; -- JSON object of texts by name

CREATE TABLE suppression (
    seq INTEGER PRIMARY KEY,
    org_id INTEGER NOT NULL,
    address_key BLOB NOT NULL, -- a hash of organisation and address, however it is written
    reason TEXT NOT NULL,
    address TEXT, -- null once its owner was erased
    detail TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    UNIQUE (org_id, address_key, reason)
) STRICT;

CREATE INDEX suppression_expiry ON suppression (expires_at) WHERE expires_at IS NOT NULL;
