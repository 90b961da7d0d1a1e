-- pages_of_keys
-- The page of each key in each run that goes beyond an event, of those beyond one.
SELECT wanted.value, event_page.keys, event_page.seqs
FROM json_each(:keys) AS wanted CROSS JOIN event_run CROSS JOIN event_page
    ON event_page.id = (event_run.id << 32) | ((wanted.value >> (64 - event_run.bits)) & ((1 << event_run.bits) - 1))
WHERE event_run.through_seq > :covered_seq AND event_page.id > :page;

-- pages_beyond
-- The next pages after one, of runs that go beyond an event, in the order of their ids.
SELECT event_page.id, event_page.keys
FROM event_run CROSS JOIN event_page
    ON event_page.id > max(:page, (event_run.id << 32) - 1) AND event_page.id < (event_run.id + 1) << 32
WHERE event_run.id >= :page >> 32 AND event_run.through_seq > :covered_seq
ORDER BY event_run.id, event_page.id
LIMIT :limit;

-- keys_in_runs
-- About how many keys there are.
SELECT coalesce(sum(through_seq - after_seq), 0) FROM event_run WHERE made IS NULL;

-- event_runs
-- Every run, in the order of its events.
SELECT id, bits, after_seq, through_seq, made FROM event_run ORDER BY through_seq, bits;

-- begin_run
-- Make a run that has no pages yet.
INSERT INTO event_run (bits, after_seq, through_seq, made) VALUES (:bits, :after_seq, :through_seq, :made) RETURNING id;

-- insert_pages
-- Write pages.
INSERT INTO event_page (id, keys, seqs) VALUES (:id, :keys, :seqs);

-- pages_by_id
-- Some pages.
SELECT keys, seqs FROM event_page WHERE id IN (SELECT value FROM json_each(:ids));

-- drop_pages
-- Let go of some pages.
DELETE FROM event_page WHERE id IN (SELECT value FROM json_each(:ids));

-- note_parts
-- Note how many parts a run has taken over.
UPDATE event_run SET made = :made WHERE id = :id;

-- drop_runs
-- Let go of runs.
DELETE FROM event_run WHERE id IN (SELECT value FROM json_each(:ids));

-- oldest_event
-- The oldest event that is left, or past the last one.
SELECT coalesce(min(seq), 9223372036854775807) FROM event;

-- past_runs
-- Runs none of whose events is left, and that no other is being made of.
SELECT id FROM event_run
WHERE made IS NULL
    AND NOT EXISTS (
        SELECT 1 FROM event WHERE event.seq > event_run.after_seq AND event.seq <= event_run.through_seq
    )
    AND NOT EXISTS (
        SELECT 1 FROM event_run AS made
        WHERE made.made IS NOT NULL
            AND made.after_seq <= event_run.after_seq AND event_run.through_seq <= made.through_seq
    );

-- drop_pages_of_run
-- Let go of some of a run's pages.
DELETE FROM event_page WHERE id IN (SELECT id FROM event_page WHERE id >= :first AND id < :end LIMIT :limit);
