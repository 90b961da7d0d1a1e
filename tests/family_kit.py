"""A gateway's processes: its own, and the one that writes to SQLite for it."""

import os
from contextlib import suppress
from pathlib import Path


def family(process: int) -> list[int]:
    """Return the id of a process and those of its children."""
    found = [process]
    for task in Path(f"/proc/{process}/task").iterdir():
        with suppress(FileNotFoundError):  # the thread has ended
            found += map(int, (task / "children").read_text().split())
    return found


def writer_process(of: int | None = None) -> int:
    """Return the id of the one process that writes to SQLite for a process; for this one unless told."""
    process = os.getpid() if of is None else of
    (only,) = (each for each in family(process) if each != process and _is_writer(each))
    return only


def memory_of(process: int) -> float:
    """Return the resident memory of a process and its children, MiB."""
    return sum(map(_resident, family(process)))


def _resident(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def _is_writer(process: int) -> bool:
    return b"tidings.store.sqlite.writer" in Path(f"/proc/{process}/cmdline").read_bytes()
