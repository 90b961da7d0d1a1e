"""Processes of ``tidings`` that start in a moment: forked from one that has imported the program already.

Importing costs a second of a core, and the tests start some hundreds of processes. What is forked is otherwise the
program as the shell would start it: a process of its own, with the arguments, environment, folder and files that it is
given, to signal and to kill. What must start from nothing in a test, starts ``TIDINGS`` itself.
"""

import asyncio
import atexit
import gc
import importlib
import json
import os
import pkgutil
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

_LENGTH = struct.Struct("!I")


class Program(Protocol):
    """A process that runs, or has ended: what asyncio's own and the forked ones have in common."""

    @property
    def pid(self) -> int: ...

    @property
    def returncode(self) -> int | None: ...

    def send_signal(self, number: int, /) -> None: ...

    def kill(self) -> None: ...

    async def wait(self) -> int: ...


class ForkedProgram:
    """A child of the prepared process, which tells when it has ended."""

    def __init__(self, pid: int, status: asyncio.StreamReader) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._ended = asyncio.create_task(self._end(status), name=f"end of process {pid}")

    def send_signal(self, number: int, /) -> None:
        """Send a signal; raise ProcessLookupError if the process has ended."""
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def _end(self, status: asyncio.StreamReader) -> int:
        self.returncode = int(await status.readline())
        await status.read()  # nothing more: the pipe closes itself
        return self.returncode


async def read_pipe(pipe: int) -> asyncio.StreamReader:
    """Return what comes out of a pipe; the pipe closes where it ends."""
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(pipe, "rb", buffering=0))
    return reader


async def fork_tidings(
    arguments: Sequence[str], files: tuple[int, int, int], *, env: Mapping[str, str], cwd: Path | None
) -> ForkedProgram:
    """Start ``tidings`` with these arguments and standard input, output and error."""
    reading, writing = os.pipe()
    asked = json.dumps({"arguments": list(arguments), "env": dict(env), "cwd": str(cwd or Path.cwd())}).encode()
    try:
        control = _prepared_process()
        socket.send_fds(control, [_LENGTH.pack(len(asked))], [*files, writing])
        control.sendall(asked)
    finally:
        os.close(writing)
    status = await read_pipe(reading)
    return ForkedProgram(int(await status.readline()), status)


_environment = dict(os.environ)
"""As it is before any test changes it: modules read some of it when they are imported."""


@cache
def _prepared_process() -> socket.socket:
    """Start the process that the others are forked from; it ends when this one does."""
    ours, theirs = socket.socketpair()
    with theirs:
        process = subprocess.Popen(
            [sys.executable, __file__, str(theirs.fileno())],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=_environment,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # called first
    return ours


def _import_everything() -> None:
    """Import all but the command line itself, which looks at its terminal when it is imported, and what is an extra."""
    import tidings

    for module in pkgutil.walk_packages(tidings.__path__, "tidings."):
        if not module.name.startswith("tidings.cli") and not module.name.endswith(("tracing", "traces")):
            importlib.import_module(module.name)
    for name in ("rich.progress", "rich.syntax", "rich.table", "rich.tree", "typer", "uvloop"):
        importlib.import_module(name)
    gc.collect()
    gc.freeze()  # so that the children do not copy what they only read
    assert threading.active_count() == 1, "a process of several threads cannot be forked"


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a fork is to become: its arguments, environment and folder, and its standard files."""

    arguments: list[str]
    env: dict[str, str]
    cwd: str
    files: Sequence[int]


def _serve(control: socket.socket) -> _Asked | None:
    """Fork a process for each that is asked for and tell how each ends, until nobody asks any more.

    In the forks, return what they are to become.
    """
    running: dict[int, int] = {}
    with _ends() as woken, selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            ready = [key.fileobj for key, _ in selector.select()]
            if woken in ready:
                os.read(woken, 4096)
            if control in ready:
                if (received := _receive(control)) is None:
                    return None
                asked, status = received
                pid = os.fork()
                if pid == 0:
                    _close(status, *running.values())
                    return asked
                _close(*asked.files)
                running[pid] = status
                _tell(status, pid)
            _tell_of_ends(running)


@contextmanager
def _ends() -> Iterator[int]:
    """Have a pipe become readable when a child ends."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        yield woken
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        _close(woken, wake)


def _receive(control: socket.socket) -> tuple[_Asked, int] | None:
    """Return what is asked for, and the pipe on which to tell how it fares; None once nobody asks any more."""
    length, files, _, _ = socket.recv_fds(control, _LENGTH.size, 4, socket.MSG_WAITALL)
    if not length:
        return None
    (size,) = _LENGTH.unpack(length)
    asked = json.loads(control.recv(size, socket.MSG_WAITALL))
    *standard, status = files
    return _Asked(**asked, files=standard), status


def _close(*files: int) -> None:
    for file in files:
        os.close(file)


def _tell(pipe: int, number: int) -> None:
    with suppress(BrokenPipeError):  # its test has ended before it
        os.write(pipe, b"%d\n" % number)


def _tell_of_ends(running: dict[int, int]) -> None:
    """Write the exit code of each process that has ended, negative for a signal."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        pipe = running.pop(pid)
        _tell(pipe, os.waitstatus_to_exitcode(status))
        os.close(pipe)


def _become_tidings(asked: _Asked) -> None:
    """Run the command line as if this process had been started for it."""
    for standard, file in enumerate(asked.files):
        os.dup2(file, standard)
    _close(*asked.files)
    os.environ.clear()
    os.environ.update(asked.env)
    time.tzset()
    os.chdir(asked.cwd)
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  for as long as the process lives
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = [str(Path(sys.executable).parent / "tidings"), *asked.arguments]
    from tidings.cli import main

    main()


if __name__ == "__main__":
    _import_everything()
    with socket.socket(fileno=int(sys.argv[1])) as control_socket:
        become = _serve(control_socket)
    if become is not None:
        _become_tidings(become)
