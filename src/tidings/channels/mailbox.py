"""A mailbox instead of a relay: e-mails are kept here, for demonstrations, tests and development."""

import asyncio
import os
from collections import deque
from pathlib import Path
from typing import Final

from tidings.channels.answers import shorten
from tidings.channels.compose import Unsendable, compose
from tidings.model import Accepted, Deferred, Email, Outcome, Refused

_KEPT: Final = 1_000


class Mailbox:
    """Keeps the last 1,000 e-mails in memory and, with a directory, each as ``<delivery id>.eml`` there.

    It refuses what a relay could not be given, so that nothing passes here that fails in earnest. A repeated
    delivery is kept twice in memory and overwrites its file.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._kept: deque[Email] = deque(maxlen=_KEPT)

    def messages(self) -> tuple[Email, ...]:
        """Return what was sent, oldest first."""
        return tuple(self._kept)

    async def send(self, email: Email) -> Outcome:
        """Keep one e-mail."""
        try:
            composed = compose(email)
        except Unsendable as error:
            return Refused(detail=shorten(str(error)))
        if self._directory is not None:
            try:
                await asyncio.to_thread(_write, self._directory / f"{email.delivery_id}.eml", composed.content)
            except OSError as error:
                return Deferred(detail=shorten(f"the mailbox cannot be written: {error.strerror}"))
        self._kept.append(email)
        return Accepted(detail="captured")


def _write(path: Path, content: bytes) -> None:
    """Put the file there whole or not at all."""
    draft = path.with_suffix(".tmp")
    draft.write_bytes(content)
    os.replace(draft, path)  # noqa: PTH105  says what it does: readers see the old file or the new
