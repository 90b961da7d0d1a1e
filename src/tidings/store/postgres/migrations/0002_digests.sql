-- Deliveries that gather events into one message, and what each has gathered; consents' origins; traces.

CREATE TABLE digest (
    delivery_seq bigint PRIMARY KEY REFERENCES delivery (seq) ON DELETE CASCADE,
    org_id bigint NOT NULL,
    key text COLLATE "C" NOT NULL, -- what is gathered together; it names nobody
    until bigint NOT NULL, -- when it is to go
    open bigint -- 1: it takes more; 0: in a worker's hands for the first time, who may bring it back untried; null: closed
);

-- At most one takes more.
CREATE UNIQUE INDEX digest_open ON digest (org_id, key) WHERE open = 1;

CREATE TABLE digest_member (
    delivery_seq bigint NOT NULL REFERENCES digest (delivery_seq) ON DELETE CASCADE,
    event_seq bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    added_at bigint NOT NULL,
    expires_at bigint, -- from when on it is not told any more
    PRIMARY KEY (delivery_seq, event_seq)
);

CREATE INDEX digest_member_event ON digest_member (event_id, event_seq);

-- Where what customers agreed to or objected to came from, and when: by category, source and time.
ALTER TABLE contact ADD COLUMN consent_marks jsonb NOT NULL DEFAULT '{}';

-- The traceparent of an event's publishing; null for all that is not traced, which is nearly everything.
ALTER TABLE event ADD COLUMN trace text;
