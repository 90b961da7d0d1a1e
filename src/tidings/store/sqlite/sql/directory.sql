-- upsert_contacts
-- Add contacts, or replace what was known of them.
INSERT INTO contact (org_id, customer_id, email, name, locale, time_zone)
VALUES (:org_id, :customer_id, :email, :name, :locale, :time_zone)
ON CONFLICT (org_id, customer_id) DO UPDATE SET
    email = excluded.email, name = excluded.name, locale = excluded.locale, time_zone = excluded.time_zone;

-- get_contact
-- One contact.
SELECT org_id, customer_id, email, name, locale, time_zone
FROM contact WHERE org_id = :org_id AND customer_id = :customer_id;

-- save_revision
-- Keep a rulebook revision, unless it is there.
INSERT INTO revision (id, created_at, archive) VALUES (:id, :created_at, :archive) ON CONFLICT (id) DO NOTHING;

-- get_revision
-- One rulebook revision.
SELECT id, created_at, archive FROM revision WHERE id = :id;

-- beat
-- Commit something, to prove that it can be done.
UPDATE ledger SET beats = beats + 1;
