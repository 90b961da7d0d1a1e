"""Which process of which machine this is, so that another one there can see whether it is still running."""

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def own_place() -> str:
    """Name this process so that no other one ever has the name; empty where the system does not tell."""
    return place_of(os.getpid())


def place_of(pid: int) -> str:
    """Name a process that can be seen from here; empty where there is none or the system does not tell."""
    namespace, born = _namespace(), _born(pid)
    return "" if namespace is None or born is None else f"{namespace}/{pid}/{born}"


def has_ended(place: str) -> bool:
    """Say whether a process is known to run no more; False for one that cannot be seen from here."""
    namespace, _, process = place.partition("/")
    pid, _, born = process.partition("/")
    if not pid.isdecimal() or namespace != _namespace():
        return False
    return _born(int(pid)) != born


def _namespace() -> str | None:
    """Name the processes that can be seen from here: those of this boot of the machine, in this container."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}.{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _born(pid: int) -> str | None:
    """Return when a process began, in ticks since the machine did; None for one that is not there or a zombie."""
    try:
        state, *rest = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in ("Z", "X") else rest[18]
