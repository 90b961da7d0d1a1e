"""How the PostgreSQL store spends time and memory, and what of it a URL may say."""

from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from tidings.errors import InvalidConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresSettings:
    """How long things may take, and how much may wait."""

    connect_timeout_ms: int = 5_000
    """How long connecting may take; each host of the URL has that long."""
    statement_timeout_ms: int = 10_000
    """How long one statement may take, waiting for others' locks included, before the server ends it."""
    idle_timeout_ms: int = 10_000
    """How long a transaction may stand still before the server ends it: so long a paused process can be in the way."""
    transaction_timeout_ms: int = 30_000
    """How long a transaction may take before we give up a connection that is silent."""
    statement_cache_size: int = 256
    """How many prepared statements a connection keeps; 0 where a pooler hands out connections by the transaction."""
    listen: bool = True
    """Whether to listen for work from other processes; a pooler by the transaction cannot do it."""
    poll_ms: int = 5_000
    """How often to look for work nobody told us of while we listen."""
    poll_unheard_ms: int = 500
    """How often to look while we do not."""
    queue_limit: int = 20_000
    """How many events and contacts may wait for the writer; past it callers are told to come back."""
    queue_bytes: int = 64 * 1024 * 1024
    """How large the events that wait for the writer may be together; past it callers are told to come back."""
    longest_wait_ms: int = 10_000
    """How long what comes in may have to wait for the writer; past it callers are told to come back."""
    batch_limit: int = 4_096
    """How many rows one transaction takes on, give or take the last call."""

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        for each in fields(self):
            least = 0 if each.name == "statement_cache_size" else 1
            if each.name != "listen" and getattr(self, each.name) < least:
                raise InvalidConfiguration(f"store: {each.name} must be at least {least}")


_IN_URL = {each.name for each in fields(PostgresSettings)}


def read_url(url: str) -> tuple[str, PostgresSettings]:
    """Take our own settings out of a URL's query; the rest, such as ``sslmode``, is the driver's.

    Raises InvalidConfiguration for a value that is none.
    """
    parts = urlsplit(url)
    query = parse_qsl(parts.query, keep_blank_values=True)
    ours: dict[str, Any] = {name: _value(name, value) for name, value in query if name in _IN_URL}
    rest = urlencode([(name, value) for name, value in query if name not in _IN_URL])
    settings = PostgresSettings(**ours)
    return urlunsplit(parts._replace(query=rest)), settings


def _value(name: str, value: str) -> int | bool:
    if name == "listen" and value in ("true", "false"):
        return value == "true"
    if name != "listen" and value.isascii() and value.isdigit():
        return int(value)
    wanted = "true or false" if name == "listen" else "a whole number"
    raise InvalidConfiguration(f"store: {name}={value!r} in the URL must be {wanted}")
