-- All that the store keeps. Times are epoch milliseconds. What is compared or sorted as text is so by its bytes.

CREATE SEQUENCE event_seq; -- never given twice, because deliveries outlive their events
CREATE SEQUENCE delivery_seq;

CREATE TABLE event (
    seq bigint PRIMARY KEY,
    org_id bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    received_at bigint NOT NULL,
    revision text NOT NULL,
    content bytea NOT NULL,
    digest bytea NOT NULL,
    customer_id text COLLATE "C",
    matched_rules text NOT NULL, -- JSON array; may hold what jsonb cannot
    UNIQUE (org_id, event_id)
);

-- What retention goes by.
CREATE INDEX event_received ON event (received_at, seq);

-- What an event gave it is copied, and event_seq is no foreign key, because deliveries are kept longer than events.
CREATE TABLE delivery (
    seq bigint PRIMARY KEY,
    id text COLLATE "C" NOT NULL UNIQUE,
    event_seq bigint NOT NULL,
    org_id bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    event_name text NOT NULL,
    revision text NOT NULL,
    rule_id text COLLATE "C" NOT NULL,
    action bigint NOT NULL,
    channel text COLLATE "C" NOT NULL,
    recipient text COLLATE "C" NOT NULL,
    customer_id text COLLATE "C",
    state text COLLATE "C" NOT NULL DEFAULT 'waiting',
    reason text NOT NULL DEFAULT '',
    created_at bigint NOT NULL,
    due_at bigint NOT NULL,
    expires_at bigint,
    attempts bigint NOT NULL DEFAULT 0,
    earlier_attempts bigint NOT NULL DEFAULT 0, -- those made before it was last requeued
    settled_at bigint,
    fence bigint NOT NULL DEFAULT 0,
    wake_at bigint, -- when a lease may take it; null once it has ended, and while it is parked
    parked_at bigint, -- stands for wake_at while an earlier one of its lane has not ended
    lane text COLLATE "C", -- deliveries of one lane of an organisation go one after the other
    revocable boolean NOT NULL DEFAULT false,
    called_off text -- why, of one in a worker's hands: it is cancelled unless it is sent
);

CREATE INDEX delivery_event ON delivery (event_id, org_id);
CREATE INDEX delivery_created ON delivery (created_at, id);
CREATE INDEX delivery_org_created ON delivery (org_id, created_at, id);

-- What waits for its time, by organisation, so that each one's queue has its own beginning.
CREATE INDEX delivery_queue ON delivery (org_id, wake_at, seq) INCLUDE (state)
WHERE wake_at IS NOT NULL AND state <> 'sending';

-- What is in workers' hands.
CREATE INDEX delivery_leased ON delivery (wake_at, org_id) WHERE state = 'sending';

-- The two halves of a lane: what may be handed out, hardly ever more than one, and what waits behind it.
CREATE INDEX delivery_lane ON delivery (org_id, lane, seq) WHERE lane IS NOT NULL AND wake_at IS NOT NULL;
CREATE INDEX delivery_parked ON delivery (org_id, lane, seq) INCLUDE (state) WHERE parked_at IS NOT NULL;

-- What somebody may want to look at; delivered ones, nearly all, never enter it.
CREATE INDEX delivery_failed ON delivery (created_at, id)
WHERE state IN ('dead', 'expired', 'suppressed', 'cancelled');

CREATE INDEX delivery_settled ON delivery (settled_at) WHERE settled_at IS NOT NULL;

-- Deliveries that a later event of their customer may call off; all others never enter the index.
CREATE INDEX delivery_revocable ON delivery (org_id, customer_id, rule_id, event_seq)
WHERE revocable AND state IN ('waiting', 'held', 'sending');

-- Rows are rewritten with every lease and settlement: what they leave behind is cleared away early and in small parts.
ALTER TABLE delivery SET (
    fillfactor = 80,
    autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0.05
);

-- Goes with its delivery, by hand: a foreign key would look up the delivery once more for each attempt.
CREATE TABLE attempt (
    delivery_seq bigint NOT NULL,
    number bigint NOT NULL,
    started_at bigint NOT NULL,
    duration_ms bigint NOT NULL,
    outcome text NOT NULL,
    status_code bigint NOT NULL,
    detail text NOT NULL,
    PRIMARY KEY (delivery_seq, number)
);

-- What limits count: deliveries that were sent or are under way, by the digest of what they count against.
CREATE TABLE reservation (
    org_id bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    sent_at bigint NOT NULL, -- the end of time while the delivery is under way
    unit text COLLATE "C" NOT NULL, -- deliveries of one unit count once
    delivery_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (org_id, key, unit, delivery_id)
);

CREATE INDEX reservation_newest ON reservation (org_id, key, sent_at);
CREATE INDEX reservation_delivery ON reservation (delivery_id);
CREATE INDEX reservation_sent ON reservation (sent_at);

CREATE TABLE contact (
    org_id bigint NOT NULL,
    customer_id text COLLATE "C" NOT NULL,
    email text,
    name text,
    locale text,
    time_zone text,
    consents jsonb NOT NULL, -- booleans by category
    attributes jsonb NOT NULL, -- texts by name; null says nothing
    PRIMARY KEY (org_id, customer_id)
);

CREATE TABLE suppression (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    org_id bigint NOT NULL,
    address_key bytea NOT NULL, -- a hash of organisation and address, however it is written
    reason text COLLATE "C" NOT NULL,
    address text, -- null once its owner was erased
    detail text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint,
    UNIQUE (org_id, address_key, reason)
);

CREATE INDEX suppression_expiry ON suppression (expires_at) WHERE expires_at IS NOT NULL;

-- A revision may go when nothing is left that it decided: no event after used_seq is one of those.
CREATE TABLE revision (
    id text COLLATE "C" PRIMARY KEY,
    created_at bigint NOT NULL,
    archive bytea NOT NULL,
    used_seq bigint NOT NULL,
    saved bigint NOT NULL -- rises with each saving; the last saved is in use
);

CREATE TABLE endpoint_state (
    org_id bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    failing_since bigint,
    disabled_at bigint,
    reason text NOT NULL,
    url_digest text NOT NULL,
    PRIMARY KEY (org_id, name)
);

-- Bodies that vendors sent and that could not be used, kept for inspection.
CREATE TABLE rejected_body (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text NOT NULL,
    received_at bigint NOT NULL,
    intake text NOT NULL,
    reason text NOT NULL,
    body bytea NOT NULL
);

-- Grows with every check that the store can commit.
CREATE TABLE ledger (beats bigint NOT NULL);
INSERT INTO ledger (beats) VALUES (0);
