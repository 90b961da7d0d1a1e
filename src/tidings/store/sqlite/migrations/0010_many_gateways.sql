-- Which gateways run on this store, and what they share: the limits of endpoints, and what keeps everybody from one.

CREATE TABLE gateway (
    id TEXT NOT NULL PRIMARY KEY,
    host TEXT NOT NULL,
    place TEXT NOT NULL, -- which process of which machine it is, for those who can look whether it is still there
    version TEXT NOT NULL,
    role TEXT NOT NULL,
    revision TEXT NOT NULL, -- of the rulebook that is live there
    started_at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL, -- by its own clock
    beats INTEGER NOT NULL, -- how often it has told of itself: whoever sees this stand still knows that it is silent
    dispatches INTEGER NOT NULL,
    sharing INTEGER NOT NULL -- 0: it takes limits for its own, 1: what it holds of them stands here
) STRICT, WITHOUT ROWID;

CREATE TABLE endpoint_share (
    org_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    gateway_id TEXT NOT NULL REFERENCES gateway (id) ON DELETE CASCADE,
    slots INTEGER NOT NULL, -- how many it may have under way at once
    wanted INTEGER NOT NULL, -- how many it could use
    turn_at INTEGER NOT NULL, -- since when it has held any, or held some last
    PRIMARY KEY (org_id, name, gateway_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX endpoint_share_gateway ON endpoint_share (gateway_id);

CREATE TABLE endpoint_rate (
    org_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    free_at INTEGER NOT NULL, -- microseconds: the first time that nobody has booked
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX endpoint_rate_free ON endpoint_rate (free_at);

CREATE TABLE endpoint_pause (
    org_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    breaker INTEGER NOT NULL, -- 0 closed, 1 probing, 2 open
    probe_at INTEGER NOT NULL, -- when it is probed next
    pause_ms INTEGER NOT NULL, -- how long it was left alone last
    asked_until INTEGER NOT NULL, -- until when it asked to be left alone
    PRIMARY KEY (org_id, name)
) STRICT, WITHOUT ROWID;
