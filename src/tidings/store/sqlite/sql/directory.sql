-- upsert_contacts
-- Add contacts, or change what is named of them: null leaves what was known, an empty text makes it unknown.
INSERT INTO contact (org_id, customer_id, email, name, locale, time_zone, consents, consent_marks, attributes)
VALUES (:org_id, :customer_id, :email, :name, :locale, :time_zone, :consents, :consent_marks, :attributes)
ON CONFLICT (org_id, customer_id) DO UPDATE SET
    email = coalesce(excluded.email, email),
    name = coalesce(excluded.name, name),
    locale = coalesce(excluded.locale, locale),
    time_zone = coalesce(excluded.time_zone, time_zone),
    consents = iif(excluded.consents = '{}', consents, json_patch(consents, excluded.consents)),
    consent_marks = iif(
        excluded.consent_marks = '{}', consent_marks, json_patch(consent_marks, excluded.consent_marks)
    ),
    attributes = iif(excluded.attributes = '{}', attributes, json_patch(attributes, excluded.attributes));

-- crowded_contacts
-- Those of some contacts that have more consents or attributes than one may; what is shorter than so many can be is
-- not counted.
SELECT org_id, customer_id, consents_named, attributes_named
FROM (
    SELECT org_id, customer_id,
        (SELECT count(*) FROM json_each(consents) AS each WHERE each.type <> 'null') AS consents_named,
        (SELECT count(*) FROM json_each(attributes) AS each WHERE each.type <> 'null') AS attributes_named
    FROM json_each(:identities) AS identity
    CROSS JOIN contact ON contact.org_id = identity.value ->> 0 AND contact.customer_id = identity.value ->> 1
    WHERE length(consents) > 6 * :most OR length(attributes) > 6 * :most
)
WHERE consents_named > :most OR attributes_named > :most;

-- get_contact
-- One contact.
SELECT org_id, customer_id, email, name, locale, time_zone, consents, attributes, consent_marks
FROM contact WHERE org_id = :org_id AND customer_id = :customer_id;

-- contacts_named
-- Contacts by organisation and customer.
SELECT group_concat(json_array(
    org_id, customer_id, email, name, locale, time_zone, consents, attributes, consent_marks
))
FROM (VALUES (:org_id, :customer_id)) AS wanted
CROSS JOIN contact ON org_id = wanted.column1 AND customer_id = wanted.column2;

-- list_contacts
-- A page of contacts in order of organisation and customer.
SELECT org_id, customer_id, email, name, locale, time_zone, consents, attributes, consent_marks
FROM contact
WHERE (org_id, customer_id) > (:org_id, :customer_id) AND org_id <= :last_org_id
ORDER BY org_id, customer_id LIMIT :limit;

-- save_revision
-- Keep a rulebook revision and note that it is in use; what is there of it stays.
INSERT INTO revision (id, created_at, archive, used_seq, saved) VALUES (
    :id, :created_at, :archive,
    coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'event'), 0),
    coalesce((SELECT max(saved) FROM revision), 0) + 1
)
ON CONFLICT (id) DO UPDATE SET used_seq = max(used_seq, excluded.used_seq), saved = excluded.saved;

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
