"""Compiling a rulebook's folder, with or without a process that has other things to do meanwhile."""

import gc
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tidings.model import Secrets
from tidings.rulebook import Rulebook, load, read_folder

_STRETCH_SECONDS: Final = 0.0005
"""How long to compile at a stretch: a publish that comes in between waits no longer for it than for another one."""
_REST_FACTOR: Final = 3.0
"""How much longer than it worked the compiling thread then rests: it takes a quarter of a core at most."""
_TURN_SECONDS: Final = 0.0001
"""How long the compiling thread may keep the interpreter from the others: each publish waits several turns."""

_NEVER: Final = 2**31 - 1


def compile_folder(folder: Path, *, secrets: Secrets) -> Rulebook:
    """Read and compile a rulebook's folder, as fast as it goes.

    Compiling makes very many objects that stay. The collector is stopped meanwhile, for it would walk through
    them again and again; afterwards they are set apart, so that later collections do not either.

    Raises:
        OSError: the folder or one of its files cannot be read.
        tidings.rulebook.InvalidRulebook: with every problem.
    """
    gc.disable()
    try:
        rulebook = load(read_folder(folder), secrets=secrets)
    finally:
        gc.enable()
    gc.freeze()
    return rulebook


def compile_aside(folder: Path, *, secrets: Secrets) -> Rulebook:
    """Do what ``compile_folder`` does in a thread of a process that is serving, and let it serve.

    It takes some four times as long. Raises as ``compile_folder`` does.
    """
    with _short_turns(), _no_full_collection():
        rulebook = load(read_folder(folder), secrets=secrets, pace=_Resting())
    gc.freeze()
    return rulebook


class _Resting:
    """A pace that rests after each stretch of work, and the longer the longer the stretch was."""

    def __init__(self) -> None:
        self._began = time.perf_counter()

    def __call__(self) -> None:
        worked = time.perf_counter() - self._began
        if worked >= _STRETCH_SECONDS:
            time.sleep(worked * _REST_FACTOR)
            self._began = time.perf_counter()


@contextmanager
def _short_turns() -> Iterator[None]:
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


@contextmanager
def _no_full_collection() -> Iterator[None]:
    """Leave to the collector what is young, the garbage of those who are served, and keep it from the rest."""
    usual = gc.get_threshold()
    gc.set_threshold(*usual[:2], _NEVER)
    try:
        yield
    finally:
        gc.set_threshold(*usual)
