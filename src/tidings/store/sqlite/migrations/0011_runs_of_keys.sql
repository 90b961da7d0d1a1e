-- Keys of older events stand in runs of pages: see key_runs.py. They are written anew from the events.

DROP TABLE event_key;

CREATE TABLE event_run (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never given twice, so that pages only move to larger ids
    bits INTEGER NOT NULL, -- how many leading bits of a key say in which page it is
    after_seq INTEGER NOT NULL, -- it is of the events after this one
    through_seq INTEGER NOT NULL, -- up to this one
    made INTEGER -- how many parts it has taken over from the runs that it is made of; null once it is whole
) STRICT;

CREATE TABLE event_page (
    id INTEGER PRIMARY KEY, -- its run's id, and in the last 32 bits which part of the keys it holds
    keys BLOB NOT NULL, -- 64-bit hashes of (org_id, event_id), big-endian; two events may share one
    seqs BLOB NOT NULL -- where their events are, in the same order
) STRICT;
