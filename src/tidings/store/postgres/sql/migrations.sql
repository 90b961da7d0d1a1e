-- lock_migrations
-- Let nobody else change the tables until the transaction ends.
SELECT pg_advisory_xact_lock(29805, 3);

-- migrations_table
-- Whether there is a table of versions. Looked up in a table: what the server remembers of names may be from before the lock.
SELECT EXISTS (
    SELECT 1 FROM pg_class WHERE relname = 'tidings_migration' AND pg_table_is_visible(oid)
) AS there;

-- make_migrations_table
-- Make the table of versions.
CREATE TABLE IF NOT EXISTS tidings_migration (
    version bigint PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- newest_migration
-- The version that the tables are at.
SELECT coalesce(max(version), 0) AS version FROM tidings_migration;

-- note_migration
-- Note that the tables are at a version.
INSERT INTO tidings_migration (version) VALUES (:version);
