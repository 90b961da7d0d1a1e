"""Works off calls in batches: one transaction for those that wait at the same time, one statement for the same work.

When the work of one call fails, the batch is rolled back and every call tried on its own, so that a faulty one harms
no other. When the database fails, every call of the batch fails with StoreUnavailable.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from tidings.store.calls import Call
from tidings.store.sqlite.calls import Work
from tidings.store.sqlite.driver import Connection, trouble
from tidings.store.sqlite.turns import Turns

Shortcut = Callable[[Connection, Sequence[Any]], Sequence[Any] | None]
"""Does the same in one statement, outside a transaction; returns None, having done nothing, where one is not enough."""


class Witness(Protocol):
    """Is told, where the work is done, how each transaction ended."""

    def committed(self) -> None:
        """Everything done since the last word is durable."""

    def rolled_back(self) -> None:
        """Nothing done since the last word happened."""


class Transactor:
    """Has a connection to itself; belongs to the thread that works with it."""

    def __init__(
        self,
        connection: Connection,
        *,
        begin: str,
        patience: float | None = None,
        witness: Witness,
        shortcuts: Mapping[Work, Shortcut] = MappingProxyType({}),
    ) -> None:
        """Take the statement that begins a transaction; one that writes says how long it waits for others, seconds."""
        self.transactions = 0
        """How many were committed."""
        self._connection = connection
        self._turns = Turns(connection, begin=begin, patience=patience)
        self._witness = witness
        self._shortcuts = shortcuts

    def perform(self, batch: Sequence[Call]) -> None:
        """Give every call its answer or its error."""
        try:
            self._transact(batch)
        except Exception as error:  # noqa: BLE001 (whatever it is, callers wait for an answer)
            if len(batch) > 1 and trouble(error) is None:
                for call in batch:
                    self.perform([call])
                return
            for call in batch:
                call.error = trouble(error) or error
                call.error.__cause__ = None if call.error is error else error

    def look(self, look: Callable[[Connection], bool]) -> bool:
        """Have something read outside a transaction; False also where the database fails, which calls will tell of."""
        try:
            return look(self._connection)
        except Exception as error:
            if trouble(error) is None:
                raise
            return False

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _transact(self, batch: Sequence[Call]) -> None:
        connection = self._connection
        try:
            self._turns.leave_gap()
            if self._takes_shortcut(batch):
                return
            self._turns.begin()
            for work, calls in _by_work(batch).items():  # only now: waiting for the database's lock can take long
                answers = work(connection, [call.request for call in calls])
                for call, answer in zip(calls, answers, strict=True):
                    call.answer = answer
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            self._witness.rolled_back()
            raise
        self._note_commit()

    def _takes_shortcut(self, batch: Sequence[Call]) -> bool:
        """Do all of it in one statement, if that can be."""
        if not self._shortcuts:
            return False
        groups = _by_work(batch)
        if len(groups) != 1:
            return False
        ((work, calls),) = groups.items()
        if (shortcut := self._shortcuts.get(work)) is None:
            return False
        try:
            answers = shortcut(self._connection, [call.request for call in calls])
        except Exception as error:
            if not self._turns.meets_others(error):
                raise
            return False
        if answers is None:
            return False
        for call, answer in zip(calls, answers, strict=True):
            call.answer = answer
        self._note_commit()
        return True

    def _note_commit(self) -> None:
        self._turns.end()
        self.transactions += 1
        self._witness.committed()


def _by_work(batch: Sequence[Call]) -> dict[Work, list[Call]]:
    """Group calls, but for those that are to be left undone because nobody waits for them any more."""
    groups: dict[Work, list[Call]] = {}
    for call in batch:
        if not call.is_given_up():
            groups.setdefault(call.work, []).append(call)
    return groups
