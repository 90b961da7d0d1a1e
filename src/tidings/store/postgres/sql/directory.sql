-- upsert_contacts
-- Add contacts, or change what is named of them: null leaves what was known, an empty text makes it unknown.
INSERT INTO contact (org_id, customer_id, email, name, locale, time_zone, consents, attributes, consent_marks)
SELECT
    org_id, customer_id, email, name, locale, time_zone, consents::jsonb, attributes::jsonb,
    consent_marks::jsonb
FROM unnest(
    :org_ids::bigint[], :customer_ids::text[], :emails::text[], :names::text[], :locales::text[],
    :time_zones::text[], :consents::text[], :attributes::text[], :consent_marks::text[]
) AS given (org_id, customer_id, email, name, locale, time_zone, consents, attributes, consent_marks)
ORDER BY org_id, customer_id
ON CONFLICT (org_id, customer_id) DO UPDATE SET
    email = coalesce(excluded.email, contact.email),
    name = coalesce(excluded.name, contact.name),
    locale = coalesce(excluded.locale, contact.locale),
    time_zone = coalesce(excluded.time_zone, contact.time_zone),
    consents = contact.consents || excluded.consents,
    attributes = jsonb_strip_nulls(contact.attributes || excluded.attributes),
    consent_marks = jsonb_strip_nulls(contact.consent_marks || excluded.consent_marks);

-- crowded_contacts
-- Those of some contacts that have more consents or attributes than one may.
SELECT org_id, customer_id, consents_named, attributes_named
FROM (
    SELECT org_id, customer_id,
        (SELECT count(*) FROM jsonb_object_keys(jsonb_strip_nulls(consents))) AS consents_named,
        (SELECT count(*) FROM jsonb_object_keys(jsonb_strip_nulls(attributes))) AS attributes_named
    FROM contact
    JOIN unnest(:org_ids::bigint[], :customer_ids::text[]) AS given (org_id, customer_id) USING (org_id, customer_id)
) AS counted
WHERE consents_named > :most::bigint OR attributes_named > :most::bigint;

-- get_contact
-- One contact.
SELECT org_id, customer_id, email, name, locale, time_zone, consents::text, attributes::text, consent_marks::text
FROM contact WHERE org_id = :org_id AND customer_id = :customer_id;

-- contacts_named
-- Contacts by organisation and customer.
SELECT
    contact.org_id, contact.customer_id, email, name, locale, time_zone,
    consents::text, attributes::text, consent_marks::text
FROM unnest(:org_ids::bigint[], :customer_ids::text[]) AS wanted (org_id, customer_id)
JOIN contact ON contact.org_id = wanted.org_id AND contact.customer_id = wanted.customer_id;

-- list_contacts
-- A page of contacts in order of organisation and customer.
SELECT org_id, customer_id, email, name, locale, time_zone, consents::text, attributes::text, consent_marks::text
FROM contact
WHERE (org_id, customer_id) > (:org_id, :customer_id) AND org_id <= :last_org_id
ORDER BY org_id, customer_id LIMIT :limit;

-- lock_revisions
-- Let nobody else save a revision until the transaction ends.
SELECT pg_advisory_xact_lock(29805, 2);

-- save_revision
-- Keep a rulebook revision and note that it is in use; what is there of it stays.
INSERT INTO revision (id, created_at, archive, used_seq, saved) VALUES (
    :id, :created_at, :archive,
    (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_seq),
    coalesce((SELECT max(saved) FROM revision), 0) + 1
)
ON CONFLICT (id) DO UPDATE SET used_seq = greatest(revision.used_seq, excluded.used_seq), saved = excluded.saved;

-- get_revision
-- One rulebook revision.
SELECT id, created_at, archive FROM revision WHERE id = :id;

-- beat
-- Commit something, to prove that it can be done.
UPDATE ledger SET beats = beats + 1;

-- endpoint_states
-- Every endpoint that has failed or been disabled.
SELECT org_id, name, failing_since, disabled_at, reason, url_digest FROM endpoint_state ORDER BY org_id, name;

-- remember_endpoint
-- Note how an endpoint stands; where two disable it, the first one's word stands, until it is forgotten.
INSERT INTO endpoint_state (org_id, name, failing_since, disabled_at, reason, url_digest)
VALUES (:org_id, :name, :failing_since, :disabled_at, :reason, :url_digest)
ON CONFLICT (org_id, name) DO UPDATE SET
    failing_since = excluded.failing_since, disabled_at = excluded.disabled_at,
    reason = excluded.reason, url_digest = excluded.url_digest
WHERE endpoint_state.disabled_at IS NULL OR endpoint_state.disabled_at = excluded.disabled_at
    OR (excluded.disabled_at IS NOT NULL AND endpoint_state.url_digest <> excluded.url_digest);

-- forget_endpoint
-- Forget an endpoint that is in order again.
DELETE FROM endpoint_state WHERE org_id = :org_id AND name = :name;

-- tell_others
-- Wake the other processes that wait for work; the payload says who woke them.
SELECT pg_notify('tidings_work', :teller);
