-- The traceparent of an event's publishing; null for all that is not traced, which is nearly everything.

ALTER TABLE event ADD COLUMN trace TEXT;
