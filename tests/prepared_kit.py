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
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, Protocol

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
    import tidings.cli

    for module in pkgutil.walk_packages(tidings.cli.__path__, "tidings.cli."):
        importlib.import_module(module.name)
    gc.collect()
    gc.freeze()  # so that the children do not copy what they only read
    assert threading.active_count() == 1, "a process of several threads cannot be forked"


def _serve(control: socket.socket) -> None:
    """Fork a process for each that is asked for, and tell how each ends, until nobody asks any more."""
    running: dict[int, int] = {}
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    with selectors.DefaultSelector() as selector:
        selector.register(control, selectors.EVENT_READ)
        selector.register(woken, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is control:
                    length, files, _, _ = socket.recv_fds(control, _LENGTH.size, 4, socket.MSG_WAITALL)
                    if not length:
                        return
                    asked = json.loads(_read(control, *_LENGTH.unpack(length)))
                    if (pid := os.fork()) == 0:
                        selector.close()
                        for each in (control.detach(), woken, wake, *running.values()):
                            os.close(each)
                        _become_tidings(asked, files)
                    for file in files[:3]:
                        os.close(file)
                    running[pid] = files[3]
                    os.write(files[3], b"%d\n" % pid)
                else:
                    os.read(woken, 4096)
            _tell_of_ends(running)


def _read(control: socket.socket, length: int) -> bytes:
    """Read so many bytes."""
    return control.recv(length, socket.MSG_WAITALL)


def _tell_of_ends(running: dict[int, int]) -> None:
    """Write the exit code of each process that has ended, negative for a signal."""
    while running:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        pipe = running.pop(pid)
        os.write(pipe, b"%d\n" % os.waitstatus_to_exitcode(status))
        os.close(pipe)


def _become_tidings(asked: dict[str, Any], files: Sequence[int]) -> NoReturn:
    """Run the command line as if this process had been started for it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for standard, file in enumerate(files[:3]):
        os.dup2(file, standard)
    for file in files:
        os.close(file)
    os.environ.clear()
    os.environ.update(asked["env"])
    time.tzset()
    os.chdir(asked["cwd"])
    sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115  for as long as the process lives
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", buffering=1, closefd=False)  # noqa: SIM115
    sys.argv = [str(Path(sys.executable).parent / "tidings"), *asked["arguments"]]
    from tidings.cli import main

    main()
    sys.exit()


if __name__ == "__main__":
    _import_everything()
    _serve(socket.socket(fileno=int(sys.argv[1])))
