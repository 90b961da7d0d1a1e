"""What a post says before its body: the URL, read and checked once, and the head of its requests.

Nothing reaches a head that could break out of it: names are tokens, values printable ASCII on one line.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from typing import Final

from yarl import URL

_LONGEST_URL: Final = 2_000
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_FRAMING: Final = frozenset({"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding"})
_STANDARD: Final = {
    "content-type": "application/json",
    "user-agent": f"Tidings/{version('tidings')}",
    "accept": "*/*",
    "accept-encoding": "identity",  # what is not unpacked cannot be a bomb
}


class UnusableUrl(ValueError):
    """The URL cannot be posted to; the message says why."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL to post to, with headers that every post to it carries; those given replace standard ones."""

    url: URL
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)
    head: str = field(init=False)
    """The request line and these headers, ready for the wire."""
    place: tuple[str, str, int] = field(init=False)
    """Scheme, host and port to connect to."""

    def __post_init__(self) -> None:
        """Write the head; raise ValueError for a header that cannot be sent."""
        own = {name.lower() for name in self.headers}
        standard = {name: value for name, value in _STANDARD.items() if name not in own}
        opening = f"POST {self.url.raw_path_qs} HTTP/1.1\r\nHost: {self.url.host_port_subcomponent}\r\n"
        object.__setattr__(self, "head", opening + header_lines({**standard, **self.headers}))
        object.__setattr__(self, "place", (self.url.scheme, self.url.raw_host or "", self.url.port or 0))

    def with_headers(self, headers: Mapping[str, str]) -> "Target":
        """Return the same target with these headers instead; raise ValueError for one that cannot be sent."""
        return Target(self.url, headers) if headers else self


def read_url(text: str) -> URL:
    """Return the URL to post to; raise UnusableUrl."""
    try:
        url = URL(text)
        port = url.port
    except ValueError:
        raise UnusableUrl("the endpoint's url is not one") from None
    if url.scheme not in ("http", "https"):
        raise UnusableUrl("the endpoint's url starts with neither https:// nor http://")
    if url.user is not None or url.password is not None:
        raise UnusableUrl("the endpoint's url holds a user or a password, which are not sent")
    if not url.raw_host or not port or len(text) > _LONGEST_URL:
        raise UnusableUrl("the endpoint's url names no host, no port or is too long")
    return url.with_fragment(None)


def header_lines(headers: Mapping[str, str]) -> str:
    """Write headers as lines; raise ValueError for one that would say more than it should, or how a body is framed."""
    values = tuple(headers.values())
    said = "".join(values)
    if said.isascii() and said.isprintable() and (form := _form(*headers)) is not None:
        return form % values
    bad = [
        name for name, value in headers.items() if not (value.isascii() and value.isprintable() and _may_be_sent(name))
    ]
    raise ValueError(f"the header {bad[0]!r} cannot be sent")


@lru_cache(maxsize=1024)
def _form(*names: str) -> str | None:
    """Return the lines of headers with these names, to be filled in; None where one must not be sent."""
    lines = [f"{name}: ".replace("%", "%%") + "%s\r\n" for name in names]
    return "".join(lines) if all(map(_may_be_sent, names)) else None


def _may_be_sent(name: str) -> bool:
    return _TOKEN.fullmatch(name) is not None and name.lower() not in _FRAMING
