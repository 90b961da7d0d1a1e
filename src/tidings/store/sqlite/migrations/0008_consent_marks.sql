-- Where what customers agreed to or objected to came from, and when.

ALTER TABLE contact ADD COLUMN consent_marks TEXT NOT NULL DEFAULT '{}'; -- JSON object by category: [source, time]
