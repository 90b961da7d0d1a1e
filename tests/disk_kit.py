"""Disks that take no more: one of a few megabytes that can be filled up, and files that may not grow."""

import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """Mount a disk of its own in memory, for the length of a test, which is skipped where that is not allowed."""
    with tempfile.TemporaryDirectory(prefix="tidings-disk-") as folder:
        try:
            _run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=755", "tidings-test", folder)
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("only root may mount a small disk")
        try:
            yield Path(folder)
        finally:
            _run("umount", "--lazy", folder)


@contextmanager
def largest_file(size: int, process: int) -> Iterator[None]:
    """Let no file of a process grow past a size: the write fails as on a broken disk."""
    soft, hard = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def filled_up(disk: Path) -> Iterator[None]:
    """Leave no byte free on a disk while the block runs."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with _until_full():
                while True:
                    file.write(bytes(size))
    try:
        yield
    finally:
        ballast.unlink()


@contextmanager
def _until_full() -> Iterator[None]:
    try:
        yield
    except OSError:
        return


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
