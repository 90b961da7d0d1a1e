"""Reads the e-mail transport's URL. A password never stands in it: only a reference to one does."""

import re
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

from tidings.model import SecretRef

_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|[0-9a-fA-F:.]{2,45}", re.ASCII)
_PARAMETERS: Final = frozenset({"tls", "password", "ca"})


class Tls(StrEnum):
    """How a connection to the relay is protected."""

    STARTTLS = "starttls"
    """In the clear at first, then TLS or nothing: a relay that does not offer it gets no message."""
    IMPLICIT = "implicit"
    """TLS from the first byte."""
    NONE = "none"
    """In the clear; with a login only on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capture:
    """Keep e-mails here instead of sending them."""

    directory: str | None = None
    """Where to write each as a file, besides keeping the last ones in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Relay:
    """The SMTP server that takes our e-mails."""

    host: str
    port: int
    tls: Tls
    user: str | None = None
    password: SecretRef | None = None
    ca: str | None = None


Transport = Capture | Relay


def parse_transport(text: str) -> Transport:
    """Read a transport; raise ValueError, which never repeats a password, when it cannot be read."""
    if not text.isprintable():
        raise ValueError("the transport holds a line break or another control character")
    if text.startswith("capture:"):
        return Capture(directory=text.removeprefix("capture:") or None)
    if not text.startswith("smtp://"):
        raise ValueError("an e-mail transport reads capture:, capture:DIRECTORY or smtp://user@host:587?tls=starttls")
    return _relay(urlsplit(text))


def _relay(url: SplitResult) -> Relay:
    if url.password is not None:
        raise ValueError("the transport holds a password; name it instead: smtp://user@host?password=env:NAME")
    if url.path not in ("", "/") or url.fragment:
        raise ValueError("the transport holds more than smtp://user@host:port?tls=…&password=…&ca=…")
    if not url.hostname or not _HOST.fullmatch(url.hostname):
        raise ValueError("the transport names no host: smtp://user@host:587?tls=starttls")
    parameters = _parameters(url.query)
    tls = _tls(parameters.get("tls", "starttls"))
    relay = Relay(
        host=url.hostname,
        port=_port(url, tls),
        tls=tls,
        user=unquote(url.username) if url.username else None,
        password=SecretRef.parse(parameters["password"]) if "password" in parameters else None,
        ca=parameters.get("ca"),
    )
    _check_login(relay)
    return relay


def _parameters(query: str) -> dict[str, str]:
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), max_num_fields=10)
    except ValueError:
        raise ValueError("the transport's parameters read ?tls=starttls&password=env:NAME&ca=FILE") from None
    unknown = sorted({name for name, _ in pairs} - _PARAMETERS)
    if unknown:
        raise ValueError(f"the transport has unknown parameters ({', '.join(unknown)}); there are tls, password and ca")
    if len(dict(pairs)) < len(pairs):
        raise ValueError("the transport gives a parameter twice")
    return dict(pairs)


def _tls(text: str) -> Tls:
    try:
        return Tls(text)
    except ValueError:
        raise ValueError("the transport's tls is one of starttls, implicit, none") from None


def _port(url: SplitResult, tls: Tls) -> int:
    try:
        port = url.port
    except ValueError:
        raise ValueError("the transport's port is a number up to 65535") from None
    return port or (465 if tls is Tls.IMPLICIT else 587)


def _check_login(relay: Relay) -> None:
    if (relay.user is None) != (relay.password is None):
        raise ValueError("a login takes both a user and a password: smtp://user@host?password=env:NAME")
    if relay.user is not None and relay.tls is Tls.NONE and not _is_here(relay.host):
        raise ValueError("a login in the clear gives the password away; use tls=starttls or tls=implicit")


def _is_here(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
