-- What limits count: deliveries that were sent or are under way, by the digest of what they count against.

CREATE TABLE reservation (
    org_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    sent_at INTEGER NOT NULL, -- the end of time while the delivery is under way
    unit TEXT NOT NULL, -- deliveries of one unit count once
    delivery_id TEXT NOT NULL, -- no foreign key, because windows may be longer than deliveries are kept
    PRIMARY KEY (org_id, key, unit, delivery_id)
) STRICT, WITHOUT ROWID;

-- A limit reads its own key from the newest back, no further than its window and its number.
CREATE INDEX reservation_newest ON reservation (org_id, key, sent_at);

CREATE INDEX reservation_delivery ON reservation (delivery_id);
CREATE INDEX reservation_sent ON reservation (sent_at);

-- Deliveries that a later event of their customer may call off; all others never enter the index.
ALTER TABLE delivery ADD COLUMN revocable INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN called_off TEXT; -- why, of one in a worker's hands: it is cancelled unless it is sent
CREATE INDEX delivery_revocable ON delivery (org_id, customer_id, rule_id, event_seq)
WHERE revocable = 1 AND state IN ('waiting', 'held', 'sending');
