"""Client certificates for mutual TLS: read when they are first used, and again once their file has changed."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

KEPT_MS: Final = 5_000
"""How long a certificate is used before its file is looked at again."""

_MOST: Final = 1_000


class UnusableCertificate(Exception):
    """The certificate cannot be used; the message says why."""


@dataclass(slots=True)
class _Read:
    at: int
    changed: int
    """When the file was last changed, as its file system says."""
    context: ssl.SSLContext


class ClientCertificates:
    """TLS contexts by the path of the certificate they show; otherwise alike, as ``make`` makes them."""

    def __init__(self, make: Callable[[], ssl.SSLContext]) -> None:
        self._make = make
        self._read: dict[str, _Read] = {}

    async def context(self, path: str, *, now: int) -> ssl.SSLContext:
        """Return a context that shows this certificate; raise UnusableCertificate."""
        read = self._read.get(path)
        if read is not None and abs(now - read.at) < KEPT_MS:
            return read.context
        try:
            fresh = await asyncio.to_thread(self._load, path, read, now)
        except ssl.SSLError as error:
            reason = "it must hold a certificate and its unencrypted key, both as PEM"
            raise UnusableCertificate(f"the certificate {path} cannot be used: {reason}") from error
        except OSError as error:
            raise UnusableCertificate(f"the certificate {path} cannot be read: {error.strerror or error}") from error
        if len(self._read) >= _MOST:
            self._read.clear()
        self._read[path] = fresh
        return fresh.context

    def _load(self, path: str, read: _Read | None, now: int) -> _Read:
        changed = Path(path).stat().st_mtime_ns
        if read is not None and read.changed == changed:
            return _Read(now, changed, read.context)
        context = self._make()
        # A password, even an empty one, keeps an encrypted key from being asked for on the terminal.
        context.load_cert_chain(path, password="")
        return _Read(now, changed, context)
