"""All the work of the writing lane, and what must happen once it is committed."""

from collections.abc import Sequence

from tidings.store.moved import MovesSeen
from tidings.store.sqlite.archive import keep_rejected
from tidings.store.sqlite.calls import Work
from tidings.store.sqlite.contacts import upsert_contacts
from tidings.store.sqlite.directory import beat, save_endpoint_states, save_revisions
from tidings.store.sqlite.driver import SQL, Connection, SqliteSettings, connect, leave_log, trouble
from tidings.store.sqlite.erasure import Eraser, erase_person, last_seqs, under_way
from tidings.store.sqlite.fleet import FLEET_WRITES
from tidings.store.sqlite.ids import EventIds
from tidings.store.sqlite.interventions import Interventions
from tidings.store.sqlite.leases import Leases
from tidings.store.sqlite.migrate import migrate
from tidings.store.sqlite.reading import EventReader
from tidings.store.sqlite.recording import Recorder
from tidings.store.sqlite.reservations import reserve
from tidings.store.sqlite.retention import Purger
from tidings.store.sqlite.suppressions import add_suppressions, lift
from tidings.store.sqlite.transactor import Transactor
from tidings.store.values import Revision


class Writing:
    """The work of the writing lane, with what it remembers between transactions.

    Where a process of its own does the work, both processes have one of these: the gateway's names the work, and
    remembers nothing.
    """

    def __init__(self, moves: MovesSeen) -> None:
        self.ids = EventIds()
        self.interventions = Interventions(moves)
        self.recorder = Recorder(self.ids, self.interventions, moves)
        self.leases = Leases(self.interventions, moves)
        self.purger = Purger(self.ids)
        self.eraser = Eraser(self.interventions)
        self.events = EventReader(self.ids)
        self._moves = moves

    def works(self) -> tuple[Work, ...]:
        """Return all that may be asked for, in an order that is the same in every process of one release."""
        return (
            self.recorder.record,
            self.leases.lease,
            self.leases.renew,
            self.leases.settle,
            reserve,
            self.interventions.by_id,
            self.interventions.by_filter,
            self.interventions.hasten,
            save_endpoint_states,
            self.purger.purge,
            keep_rejected,
            upsert_contacts,
            add_suppressions,
            lift,
            last_seqs,
            self.eraser.deliveries,
            self.eraser.events,
            under_way,
            erase_person,
            self.save_revisions,
            beat,
            self.start,
            self.events.read,
            *FLEET_WRITES,
        )

    def committed(self) -> None:
        """Let memory follow, and tell whoever waits for deliveries or follows them."""
        self.ids.committed()
        self._moves.committed()

    def rolled_back(self) -> None:
        """Let memory follow."""
        self.ids.rolled_back()
        self.recorder.forget_revisions()
        self._moves.rolled_back()

    def save_revisions(self, connection: Connection, revisions: Sequence[Revision]) -> list[None]:
        """Keep rulebook revisions; from here on their use is noted anew."""
        self.recorder.forget_revisions()
        return save_revisions(connection, revisions)

    def start(self, connection: Connection, requests: Sequence[None]) -> list[None]:
        """Read the newest identities into memory."""
        self.ids.start(connection)
        return [None] * len(requests)


def open_writer(
    path: str | None, settings: SqliteSettings, writing: Writing, *, checkpoints_beside: bool = False
) -> Transactor:
    """Open the database for writing, bring its tables up to date, and return what does the work there.

    Who has the write-ahead log copied beside says so: then commits do it only where that falls behind.
    Raises InvalidConfiguration and StoreUnavailable as ``open_store`` does.
    """
    connection = connect(path, settings)
    try:
        migrate(connection)
        connection.execute(SQL["delivery_document"])
        if checkpoints_beside:
            leave_log(connection)
    except BaseException as error:
        connection.close()
        if (known := trouble(error)) is not None:
            raise known from error
        raise
    return Transactor(
        connection,
        begin="BEGIN IMMEDIATE",
        patience=settings.busy_timeout_ms / 1000,
        witness=writing,
        shortcuts={
            writing.recorder.record: writing.recorder.record_alone,
            writing.events.read: writing.events.read,  # which waits for nobody who writes
        },
    )
