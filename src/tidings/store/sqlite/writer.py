"""The process that writes to a SQLite file for a gateway: ``python -m tidings.store.sqlite.writer``.

It ends when its gateway lets go of the socket, however the gateway ended, and not by signals to the group, because
what is under way when a gateway is asked to stop is still to be settled. It reads what has come between transactions,
so that calls that wait at the same time share one.
"""

import gc
import signal
import socket
import sys
import time
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidings.store.calls import Call
from tidings.store.moved import MovesSeen
from tidings.store.sqlite.checkpoints import Checkpoints
from tidings.store.sqlite.codecs import codecs_of
from tidings.store.sqlite.driver import SqliteSettings
from tidings.store.sqlite.wire import Answering, Asking, Codec, Frames, More, frame, pickled, told, unpickled
from tidings.store.sqlite.writing import Writing, open_writer
from tidings.store.values import DeliveryChange
from tidings.telemetry import gather_logs

_AT_ONCE: Final = 1 << 18
"""How much is read from the socket at a time, bytes."""
_YOUNG: Final = 50_000
"""How many objects are made before those that refer to each other are looked for: a batch has thousands, all of which
die with it."""


@dataclass(slots=True, eq=False)
class _RemoteCall(Call):
    number: int = 0
    codec: Codec = None  # type: ignore[assignment]  # every maker gives one
    given_up: bool = False

    def is_given_up(self) -> bool:
        return self.given_up


class _Follower:
    """Stands for the gateway's feed."""

    def __init__(self) -> None:
        self.followed = False


class _Told:
    """Gathers what the gateway must hear of beside the answers."""

    def __init__(self) -> None:
        self.entries: list[MutableMapping[str, Any]] = []
        """Of the log."""
        self._work = False
        self._changes: list[DeliveryChange] = []

    def tell(self, work: bool, changes: Sequence[DeliveryChange]) -> None:  # noqa: FBT001 (by position)
        self._work = self._work or work
        self._changes.extend(changes)

    def take(self) -> tuple[bool, bytes]:
        work, more = self._work, More(self._changes, self.entries.copy())
        self._work, self._changes = False, []
        self.entries.clear()
        return work, pickled(more) if any(more) else b""


class _Writer:
    """Works off what comes through a socket."""

    def __init__(self, gateway: socket.socket, path: str, settings: SqliteSettings) -> None:
        self._gateway = gateway
        self._batch_limit = settings.batch_limit
        self._follower = _Follower()
        self._told = _Told()
        gather_logs(self._told.entries)
        self._frames = Frames()
        self._waiting: dict[int, _RemoteCall] = {}
        """In the order they came."""
        writing = Writing(MovesSeen(self._follower, self._told.tell))
        self._transactor = open_writer(path, settings, writing, checkpoints_beside=True)
        self._checkpoints = Checkpoints(path, settings)
        self._works = codecs_of(writing)
        self._read_ahead = writing.ids.read_ahead
        self._reads_ahead = True
        """Whether there may be something to read while nobody asks for anything."""
        self._lease = writing.leases.lease
        """What is not done once the gateway has gone: nobody is there to send."""
        start = Call(writing.start, None, 0)
        self._transactor.perform([start])
        if start.error is not None:
            raise start.error

    def run(self) -> None:
        """Work until the gateway lets go."""
        while self._read():
            batch = self._batch()
            if batch:
                began = time.monotonic()
                self._transactor.perform(batch)
                self._answer(batch, time.monotonic() - began)
                self._checkpoints.follow(self._transactor.transactions)
        self._checkpoints.close()
        self._transactor.close()

    def _read(self) -> bool:
        """Read what has come, waiting only if there is nothing to do; False once there will be nothing more."""
        while True:
            flags = socket.MSG_DONTWAIT if self._waiting or self._reads_ahead else 0
            try:
                data = self._gateway.recv(_AT_ONCE, flags)
            except BlockingIOError:
                if self._waiting:
                    return True
                self._reads_ahead = self._transactor.look(self._read_ahead)
                continue
            except ConnectionResetError:  # the gateway has fallen before it read our last answers
                data = b""
            if not data:
                self._waiting = {number: call for number, call in self._waiting.items() if call.work != self._lease}
                return bool(self._waiting)
            for value in self._frames.feed(data):
                self._take_in(Asking(*value))

    def _take_in(self, asking: Asking) -> None:
        self._follower.followed = asking.followed
        for number, place, weight, body in asking.asked:
            work, codec = self._works[place]
            self._waiting[number] = _RemoteCall(work, codec.hear(body), weight, None, None, number, codec)
        for number in asking.given_up:
            if (call := self._waiting.get(number)) is not None:
                call.given_up = True

    def _batch(self) -> list[_RemoteCall]:
        """Take what is to share a transaction."""
        batch, weight = [], 0
        for call in self._waiting.values():
            batch.append(call)
            weight += call.weight
            if weight >= self._batch_limit:
                break
        for call in batch:
            del self._waiting[call.number]
        return batch

    def _answer(self, batch: Sequence[_RemoteCall], took: float) -> None:
        answered = [_answered(each) for each in batch]
        try:
            self._gateway.sendall(frame(Answering(answered, self._transactor.transactions, took, *self._told.take())))
        except OSError:  # the gateway is gone; what came before that is done all the same
            return


def _answered(call: _RemoteCall) -> tuple[int, bool, bytes]:
    if call.error is not None:
        return call.number, False, told(call.error)
    return call.number, True, b"" if call.given_up else call.codec.answer(call.answer)


def main() -> None:
    """Write for the gateway that started this process."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as gateway:
        frames = Frames()
        began: list[Any] = []
        while not began:
            data = gateway.recv(_AT_ONCE)
            if not data:
                return
            began = list(frames.feed(data))
        path, settings = unpickled(began[0][0])
        try:
            writer = _Writer(gateway, path, settings)
        except Exception as error:  # noqa: BLE001 (the gateway tells it)
            gateway.sendall(frame((False, told(error))))
            return
        gateway.sendall(frame((True, b"")))
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG)
        writer.run()


if __name__ == "__main__":
    main()
