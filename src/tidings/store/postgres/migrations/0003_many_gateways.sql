-- Which gateways run on this store, and what they share: the limits of endpoints, and what keeps everybody from one.

CREATE TABLE gateway (
    id text COLLATE "C" NOT NULL PRIMARY KEY,
    host text NOT NULL,
    place text NOT NULL, -- which process of which machine it is, for those who can look whether it is still there
    version text NOT NULL,
    role text NOT NULL,
    revision text NOT NULL, -- of the rulebook that is live there
    started_at bigint NOT NULL,
    seen_at bigint NOT NULL, -- by its own clock
    beats bigint NOT NULL, -- how often it has told of itself: whoever sees this stand still knows that it is silent
    dispatches boolean NOT NULL,
    sharing boolean NOT NULL -- whether what it holds of the limits stands here, or it takes them for its own
);

CREATE TABLE endpoint_share (
    org_id bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    gateway_id text COLLATE "C" NOT NULL REFERENCES gateway (id) ON DELETE CASCADE,
    slots bigint NOT NULL, -- how many it may have under way at once
    wanted bigint NOT NULL, -- how many it could use
    turn_at bigint NOT NULL, -- since when it has held any, or held some last
    PRIMARY KEY (org_id, name, gateway_id)
);

CREATE INDEX endpoint_share_gateway ON endpoint_share (gateway_id);

CREATE TABLE endpoint_rate (
    org_id bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    free_at bigint NOT NULL, -- microseconds: the first time that nobody has booked
    PRIMARY KEY (org_id, name)
);

CREATE INDEX endpoint_rate_free ON endpoint_rate (free_at);

CREATE TABLE endpoint_pause (
    org_id bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    breaker bigint NOT NULL, -- 0 closed, 1 probing, 2 open
    probe_at bigint NOT NULL, -- when it is probed next
    pause_ms bigint NOT NULL, -- how long it was left alone last
    asked_until bigint NOT NULL, -- until when it asked to be left alone
    PRIMARY KEY (org_id, name)
);
