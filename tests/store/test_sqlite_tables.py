"""The SQLite store's migrations, its query plans, and its way of finding events by id."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keys_kit import stored_keys
from store_kit import make_event, make_publication, make_publications
from tidings.errors import InvalidConfiguration
from tidings.store import Recorded, open_store
from tidings.store.feed import Feed
from tidings.store.moved import MovesSeen
from tidings.store.sqlite.driver import MOST_ROWS, SQL, Connection, SqliteSettings, connect
from tidings.store.sqlite.ids import EventIds, Identity, event_key
from tidings.store.sqlite.interventions import Interventions
from tidings.store.sqlite.migrate import MIGRATIONS, migrate
from tidings.store.sqlite.recording import Recorder


@pytest.fixture
def connection() -> Iterator[Connection]:
    """A database in memory at the newest version."""
    with closing(connect(None, SqliteSettings())) as opened:
        migrate(opened)
        opened.execute(SQL["delivery_document"])
        yield opened


def version_of(connection: Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def test_an_empty_database_is_brought_to_the_newest_version(connection: Connection) -> None:
    assert version_of(connection) == len(MIGRATIONS)


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
def test_every_older_version_is_brought_to_the_same_tables(connection: Connection, version: int) -> None:
    tables = "SELECT type, name, sql FROM main.sqlite_master ORDER BY name"
    with closing(connect(None, SqliteSettings())) as older:
        migrate(older, MIGRATIONS[:version])
        migrate(older)

        assert older.execute(tables).fetchall() == connection.execute(tables).fetchall()


def test_the_digest_of_a_disabled_endpoints_url_is_taken_out_of_its_reason() -> None:
    before = next(number for number, step in enumerate(MIGRATIONS) if "ADD COLUMN url_digest" in step)
    with closing(connect(None, SqliteSettings())) as older:
        migrate(older, MIGRATIONS[:before])
        older.executemany(
            "INSERT INTO endpoint_state VALUES (1, ?, NULL, ?, ?)",
            [("bi", 9, "it answered 410 Gone (address 0123456789ab)"), ("crm", None, "")],
        )
        migrate(older)

        assert older.execute(SQL["endpoint_states"]).fetchall() == [
            (1, "bi", None, 9, "it answered 410 Gone", "0123456789ab"),
            (1, "crm", None, None, "", ""),
        ]


def test_a_step_that_fails_leaves_the_version_before_it() -> None:
    good, bad = "CREATE TABLE one (x);", "CREATE TABLE two (x);\nCREATE TABLE one (x);"
    with closing(connect(None, SqliteSettings())) as connection:
        with pytest.raises(sqlite3.OperationalError, match="one already exists"):
            migrate(connection, [good, bad])

        assert version_of(connection) == 1
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("one",)]
        migrate(connection, [good, "CREATE TABLE two (x);"])
        assert version_of(connection) == 2


async def test_a_newer_database_is_refused(tmp_path: Path) -> None:
    newer = len(MIGRATIONS) + 1
    with closing(sqlite3.connect(tmp_path / "tidings.db")) as connection:
        connection.execute(f"PRAGMA user_version = {newer}")

    with pytest.raises(InvalidConfiguration, match=f"at version {newer}, written by a newer release"):
        async with open_store(f"sqlite:///{tmp_path / 'tidings.db'}"):
            pass


EXPECTED_PLANS = {
    "how_far_events_go": "SCAN ledger",
    "identities_after": "SEARCH event USING INTEGER PRIMARY KEY (rowid>?)",
    "pages_of_keys": "SEARCH event_page USING INTEGER PRIMARY KEY (rowid=?)",
    "pages_beyond": "SEARCH event_page USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "pages_by_id": "SEARCH event_page USING INTEGER PRIMARY KEY (rowid=?)",
    "drop_pages": "SEARCH event_page USING INTEGER PRIMARY KEY (rowid=?)",
    "drop_pages_of_run": "SEARCH event_page USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "keys_in_runs": "SCAN event_run",
    "event_runs": "SCAN event_run",
    "note_parts": "SEARCH event_run USING INTEGER PRIMARY KEY (rowid=?)",
    "drop_runs": "SEARCH event_run USING INTEGER PRIMARY KEY (rowid=?)",
    "past_runs": "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "oldest_event": "SEARCH event",
    "decided_events": "SEARCH event USING INTEGER PRIMARY KEY (rowid=?)",
    "get_event": "SEARCH event USING INTEGER PRIMARY KEY (rowid=?)",
    "due_organisations": "SEARCH delivery USING COVERING INDEX delivery_queue (org_id>?)",
    "queue_heads": "SEARCH delivery USING COVERING INDEX delivery_queue (org_id=? AND wake_at>? AND wake_at<?)",
    "deliveries_to_hand_out": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "take_deliveries": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "seqs_of_deliveries": "SEARCH delivery USING COVERING INDEX sqlite_autoindex_delivery_1 (id=?)",
    "held_deliveries": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "renew_deliveries": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "settle_deliveries": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "settle_accepted": "SEARCH held USING INTEGER PRIMARY KEY (rowid=?)",
    "park_followers": "SEARCH later USING INDEX delivery_lane (org_id=? AND lane=?)",
    "release_heads": "SEARCH delivery USING COVERING INDEX delivery_parked (org_id=? AND lane=?)",
    "next_due": "SEARCH delivery USING COVERING INDEX delivery_queue (org_id=? AND wake_at>?)",
    "backlog": "SCAN delivery USING COVERING INDEX delivery_queue",
    "get_delivery": "SEARCH delivery USING INDEX sqlite_autoindex_delivery_1 (id=?)",
    "list_all": "SEARCH delivery USING INDEX delivery_created (created_at>? AND (created_at,id)<(?,?))",
    "list_by_org": (
        "SEARCH delivery USING INDEX delivery_org_created (org_id=? AND created_at>? AND (created_at,id)<(?,?))"
    ),
    "list_by_event": "SEARCH delivery USING INDEX delivery_event (event_id=?)",
    "list_unfinished": "SEARCH delivery USING INDEX delivery_queue (org_id>? AND org_id<?)",
    "list_failed": "SEARCH delivery USING INDEX delivery_failed (state=? AND created_at>? AND (created_at,id)<(?,?))",
    "deliveries_by_id": "SEARCH delivery USING INDEX sqlite_autoindex_delivery_1 (id=?)",
    "pick_by_event": "SEARCH delivery USING INDEX delivery_event (event_id=?)",
    "pick_failed": "SEARCH delivery USING INDEX delivery_failed (state=? AND created_at>? AND (created_at,id)<(?,?))",
    "pick_unfinished": "SEARCH delivery USING INDEX delivery_queue (org_id>? AND org_id<?)",
    "deliveries_to_call_off": (
        "SEARCH delivery USING INDEX delivery_revocable (org_id=? AND customer_id=? AND rule_id=? AND event_seq<?)"
    ),
    "note_call_off": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "room_left": "SEARCH reservation USING COVERING INDEX reservation_newest (org_id=? AND key=? AND sent_at>?)",
    "room_left_by_unit": (
        "SEARCH reservation USING COVERING INDEX reservation_newest (org_id=? AND key=? AND sent_at>?)"
    ),
    "keep_reservations": "SEARCH reservation USING COVERING INDEX reservation_delivery (delivery_id=?)",
    "drop_reservations": "SEARCH reservation USING COVERING INDEX reservation_delivery (delivery_id=?)",
    "drop_old_reservations": "SEARCH reservation USING COVERING INDEX reservation_sent (sent_at<?)",
    "move_deliveries": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "hasten_deliveries": "SEARCH delivery USING INDEX delivery_queue (org_id=? AND wake_at>?)",
    "drop_deliveries": "SEARCH delivery USING COVERING INDEX delivery_settled (settled_at<?)",
    "events_to_drop": "SEARCH event USING INDEX event_received (received_at>? AND received_at<?)",
    "drop_events": "SEARCH event USING INTEGER PRIMARY KEY (rowid=?)",
    "drop_revisions": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "drop_rejected": "SCAN rejected_body",
    "use_revision": "SEARCH revision USING INDEX sqlite_autoindex_revision_1 (id=?)",
    "endpoint_states": "SCAN endpoint_state",
    "forget_endpoint": "SEARCH endpoint_state USING PRIMARY KEY (org_id=? AND name=?)",
    "list_events": "SEARCH event USING INTEGER PRIMARY KEY (rowid<?)",
    "list_rejected": "SEARCH rejected_body USING INTEGER PRIMARY KEY (rowid<?)",
    "crowded_contacts": "SEARCH contact USING PRIMARY KEY (org_id=? AND customer_id=?)",
    "get_contact": "SEARCH contact USING PRIMARY KEY (org_id=? AND customer_id=?)",
    "last_seqs": "SEARCH delivery",
    "persons_unfinished": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "persons_in_hands": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "scrub_attempts": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "scrub_deliveries": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "persons_under_way": "SCAN delivery USING INDEX delivery_leased",
    "scrub_events": "SEARCH event USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
    "drop_contact": "SEARCH contact USING PRIMARY KEY (org_id=? AND customer_id=?)",
    "rejected_bodies": "SCAN rejected_body",
    "drop_rejected_bodies": "SEARCH rejected_body USING INTEGER PRIMARY KEY (rowid=?)",
    "scrub_suppressions": "SEARCH suppression USING INDEX sqlite_autoindex_suppression_1 (org_id=? AND address_key=?)",
    "contacts_named": "SEARCH contact USING PRIMARY KEY (org_id=? AND customer_id=?)",
    "list_contacts": "SEARCH contact USING PRIMARY KEY ((org_id,customer_id)>(?,?) AND org_id<?)",
    "drop_expired_suppressions": "SEARCH suppression USING INDEX suppression_expiry (expires_at<?)",
    "drop_suppressions": "SEARCH suppression USING INDEX sqlite_autoindex_suppression_1 (org_id=? AND address_key=?)",
    "suppressions_of": "SEARCH suppression USING INDEX sqlite_autoindex_suppression_1 (org_id=? AND address_key=?)",
    "list_suppressions": "SEARCH suppression USING INTEGER PRIMARY KEY (rowid<?)",
    "close_digests": "SEARCH digest USING INTEGER PRIMARY KEY (rowid=?)",
    "drop_members": "SEARCH digest_member USING PRIMARY KEY (delivery_seq=? AND event_seq=?)",
    "empty_digests": "SEARCH digest_member USING PRIMARY KEY (delivery_seq=?)",
    "gathered": "SEARCH digest_member USING PRIMARY KEY (delivery_seq=?)",
    "hold_digest": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "members_of_person": (
        "SEARCH digest_member USING COVERING INDEX digest_member_event (event_id=? AND event_seq>? AND event_seq<?)"
    ),
    "members_to_call_off": (
        "SEARCH delivery USING INDEX delivery_revocable (org_id=? AND customer_id=? AND rule_id=?)"
    ),
    "open_digest": "SEARCH digest USING INDEX digest_open (org_id=? AND key=?)",
    "reopen_digests": "SEARCH digest USING INTEGER PRIMARY KEY (rowid=?)",
    "shrink_expiry": "SEARCH digest_member USING PRIMARY KEY (delivery_seq=?)",
    "stretch_expiry": "SEARCH delivery USING INTEGER PRIMARY KEY (rowid=?)",
    "take_digests": "SEARCH digest USING INTEGER PRIMARY KEY (rowid=?)",
    "gateways": "SCAN gateway",
    "drop_gateway": "SEARCH gateway USING PRIMARY KEY (id=?)",
    "count_dispatching": "SCAN gateway",
    "shares_of_endpoint": "SEARCH endpoint_share USING PRIMARY KEY (org_id=? AND name=?)",
    "drop_share": "SEARCH endpoint_share USING PRIMARY KEY (org_id=? AND name=? AND gateway_id=?)",
    "drop_rates": "SEARCH endpoint_rate USING COVERING INDEX endpoint_rate_free (free_at<?)",
    "rate_of_endpoint": "SEARCH endpoint_rate USING PRIMARY KEY (org_id=? AND name=?)",
    "endpoint_rates": "SCAN endpoint_rate",
    "endpoint_pauses": "SCAN endpoint_pause",
    "drop_pause": "SEARCH endpoint_pause USING PRIMARY KEY (org_id=? AND name=?)",
    "get_revision": "SEARCH revision USING INDEX sqlite_autoindex_revision_1 (id=?)",
}


UNFINISHED = "delivery USING (COVERING )?INDEX delivery_(queue|leased|parked)"
WALKS = re.compile(
    rf"SCAN (?!{UNFINISHED})(event|delivery|attempt|contact|event_page|reservation|suppression|digest|digest_member)\b"
)
"""Steps that read all of a table that grows; what has not ended may be read whole where it must be counted."""


def plan_of(connection: Connection, statement: str) -> list[str]:
    values = dict.fromkeys(re.findall(r":([a-z_]+)", SQL[statement]), 1)
    return [row[3].replace(" main.", " ") for row in connection.execute(f"EXPLAIN QUERY PLAN {SQL[statement]}", values)]


@pytest.mark.parametrize("statement", EXPECTED_PLANS)
def test_no_statement_walks_through_the_history(connection: Connection, statement: str) -> None:
    plan = plan_of(connection, statement)

    assert EXPECTED_PLANS[statement] in plan
    assert [step for step in plan if WALKS.match(step)] == []


QUEUES_AND_HISTORIES = [
    "backlog",
    "due_organisations",
    "queue_heads",
    "next_due",
    "list_all",
    "list_by_org",
    "pick_by_event",
    "pick_failed",
    "pick_unfinished",
    "drop_deliveries",
    "events_to_drop",
]


@pytest.mark.parametrize("statement", QUEUES_AND_HISTORIES)
def test_no_queue_or_history_is_sorted(connection: Connection, statement: str) -> None:
    assert [step for step in plan_of(connection, statement) if "B-TREE" in step] == []


def test_every_reading_statement_has_its_plan_proved() -> None:
    reading = {name for name, sql in SQL.items() if re.search(r"^(SELECT|WITH|DELETE|UPDATE (?!ledger))", sql)}

    assert reading == set(EXPECTED_PLANS)


def test_new_events_are_stored_without_walking_through_the_others(connection: Connection) -> None:
    assert not [step for step in plan_of(connection, "insert_new_events") if WALKS.match(step)]


def recorder(known: EventIds) -> Recorder:
    moves = MovesSeen(Feed(), lambda _work, _changes: None)
    return Recorder(known, Interventions(moves), moves)


def test_more_new_events_than_one_statement_takes_are_all_stored_with_their_deliveries(connection: Connection) -> None:
    known = EventIds()
    asked = [
        make_publication(make_event(f"e-{number}"), deliveries=number % 300 == 299) for number in range(MOST_ROWS + 100)
    ]
    connection.execute("BEGIN IMMEDIATE")
    known.find(connection, [])
    (results,) = recorder(known).record(connection, [asked])
    connection.execute("COMMIT")
    known.committed()

    assert [each.recorded for each in results] == [Recorded.NEW] * len(asked)
    assert [each.delivery_ids for each in results] == [tuple(one.id for one in each.deliveries) for each in asked]
    rows = connection.execute("SELECT seq, event_id FROM event ORDER BY seq").fetchall()
    assert rows == [(number + 1, f"e-{number}") for number in range(len(asked))]
    stored = connection.execute("SELECT event_seq, id FROM delivery ORDER BY seq").fetchall()
    assert stored == [(number + 1, one.id) for number, each in enumerate(asked) for one in each.deliveries]
    assert known.last_seq == len(asked)
    assert known.glance(known.key_of((asked[-1].event.org_id, asked[-1].event.event_id))) == [len(asked)]


def one_key(identity: Identity) -> int:
    """Give nearly all events the same key."""
    return len(identity[1])


class TestEventIds:
    """Identities move from memory into runs without being lost on the way."""

    @staticmethod
    def record(connection: Connection, known: EventIds, numbers: range) -> list[Recorded]:
        """Record events in a transaction of their own."""
        connection.execute("BEGIN IMMEDIATE")
        publications = [make_publication(make_event(f"e-{number}"), deliveries=0) for number in numbers]
        (results,) = recorder(known).record(connection, [publications])
        connection.execute("COMMIT")
        known.committed()
        return [each.recorded for each in results]

    def test_an_event_is_found_wherever_its_identity_is(self, connection: Connection) -> None:
        known = EventIds(run=20)
        for start in range(0, 100, 7):
            assert self.record(connection, known, range(start, start + 7)) == [Recorded.NEW] * 7
            repeated = self.record(connection, known, range(start + 7))
            assert repeated == [Recorded.DUPLICATE] * (start + 7)

        assert 60 <= len(stored_keys(connection)) <= 105

    @pytest.mark.parametrize("count", [5, 23, 26, 31, 40, 64])
    def test_a_restart_finds_what_was_only_in_memory(self, connection: Connection, count: int) -> None:
        known = EventIds(run=20)
        for number in range(count):
            self.record(connection, known, range(number, number + 1))

        restarted = EventIds(run=20)

        assert self.record(connection, restarted, range(count + 1)) == [Recorded.DUPLICATE] * count + [Recorded.NEW]

    def test_what_another_process_recorded_is_found(self, connection: Connection) -> None:
        ours, theirs = EventIds(run=4), EventIds(run=4)
        for number in range(0, 30, 2):
            assert self.record(connection, ours, range(number, number + 1)) == [Recorded.NEW]
            assert self.record(connection, theirs, range(number, number + 2)) == [Recorded.DUPLICATE, Recorded.NEW]

        assert self.record(connection, ours, range(30)) == [Recorded.DUPLICATE] * 30

    def test_what_was_rolled_back_is_forgotten(self, connection: Connection) -> None:
        known = EventIds(run=2)
        self.record(connection, known, range(3))
        connection.execute("BEGIN IMMEDIATE")
        recorder(known).record(connection, [make_publications(5, deliveries=0)])
        connection.execute("ROLLBACK")
        known.rolled_back()

        assert self.record(connection, known, range(5)) == [Recorded.DUPLICATE] * 3 + [Recorded.NEW] * 2

    @pytest.mark.parametrize("gone", [1, 25, 39])
    def test_what_retention_let_go_of_is_written_no_more(self, connection: Connection, gone: int) -> None:
        known = EventIds(run=20)
        self.record(connection, known, range(40))
        connection.execute("BEGIN IMMEDIATE")
        places = [(event_key((50750, f"e-{number}")), number + 1) for number in range(gone)]
        connection.execute("DELETE FROM event WHERE seq <= ?", [gone])
        known.forget(places)
        connection.execute("COMMIT")
        known.committed()

        assert self.record(connection, known, range(gone, 40)) == [Recorded.DUPLICATE] * (40 - gone)
        for start in range(40, 200, 20):
            assert self.record(connection, known, range(start, start + 20)) == [Recorded.NEW] * 20
        stored = stored_keys(connection)
        assert len(stored) > 100
        assert min(seq for _, seq in stored) > gone

    def test_events_that_share_a_key_are_told_apart(self, connection: Connection) -> None:
        known = EventIds(run=5, key_of=one_key)
        for start in range(10, 40, 3):
            assert self.record(connection, known, range(start, start + 3)) == [Recorded.NEW] * 3

        assert self.record(connection, known, range(10, 40)) == [Recorded.DUPLICATE] * 30
        assert self.record(connection, EventIds(run=5, key_of=one_key), range(10, 41)) == [Recorded.DUPLICATE] * 30 + [
            Recorded.NEW
        ]

    def test_a_key_is_the_same_on_every_machine(self) -> None:
        assert event_key((50750, "e-1")) == event_key((50750, "e-1")) != event_key((5075, "0e-1"))
        assert -(2**63) <= event_key((50750, "e-1")) < 2**63
