"""How the channels are steered. Another layer reads these from files and the environment; nothing here does.

Durations are seconds as ``float``; whoever writes them may say ``15s``, ``2m``, ``500ms`` or a bare number.
"""

import math
import re
from ipaddress import ip_network
from typing import Annotated, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from tidings.channels.transport import parse_transport

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)", re.ASCII)


def parse_duration(value: object) -> float:
    """Read ``15s``, ``2m``, ``1.5h``, ``500ms``, ``1d`` or a number of seconds; raise ValueError on anything else."""
    match = _DURATION.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        seconds = float(match[1]) * _UNITS[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        seconds = float(value)
    else:
        raise ValueError("a duration reads 15s, 2m, 1h, 500ms or a number of seconds")
    if not (0 < seconds < math.inf):
        raise ValueError("a duration must be longer than nothing")
    return seconds


Duration = Annotated[
    float,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": ["string", "number"], "pattern": r"^\d+(\.\d+)?(ms|s|m|h|d)$", "exclusiveMinimum": 0}),
]
"""Seconds, however they were written."""

_STRICT: Final = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class EmailSettings(BaseModel):
    """How e-mail leaves the gateway."""

    model_config = _STRICT

    transport: str = "capture:"
    """``capture:`` keeps e-mails in memory, ``capture:DIRECTORY`` also writes each as a file, and
    ``smtp://user@host:587?tls=starttls&password=env:NAME`` hands them to a relay (``tls`` is ``starttls``,
    ``implicit`` or ``none``; ``ca=FILE`` names a bundle of certificates to trust instead of the system's)."""

    timeout: Duration = 60.0
    """The longest that one attempt may take, waiting for a free connection included."""

    connect_timeout: Duration = 15.0
    """The longest that connecting, TLS and login may take together."""

    connections: int = Field(default=10, ge=1, le=1000)
    """How many connections to the relay may be open at once."""

    messages_per_connection: int = Field(default=100, ge=1)
    """How many messages one connection carries before it is replaced."""

    idle: Duration = 30.0
    """How long an unused connection is kept."""

    hello: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}$")
    """The name given to the relay in EHLO; absent, this machine's own."""

    @field_validator("transport")
    @classmethod
    def _transport_reads(cls, value: str) -> str:
        parse_transport(value)
        return value


class WebhookSettings(BaseModel):
    """How webhooks leave the gateway."""

    model_config = _STRICT

    allow_networks: tuple[str, ...] = ()
    """Networks that webhooks may reach besides public addresses, such as ``10.20.0.0/16``. Anything private,
    local or reserved that is not listed here is refused when the connection is made."""

    timeout: Duration = 15.0
    """The longest that one attempt may take, from looking up the name to the last byte of the answer."""

    connect_timeout: Duration = 5.0
    """The longest that one connection may take to be made, TLS included."""

    connections_per_endpoint: int = Field(default=64, ge=1)
    """How many connections one address may have open at once; further posts wait within their timeout."""

    idle: Duration = 15.0
    """How long an unused connection is kept."""

    resolve_ttl: float = Field(default=10.0, ge=0, le=300)
    """Seconds for which the vetted addresses of a name are used again; 0 looks every connection's name up."""

    ca: str | None = None
    """A file of certificates to trust besides the system's, for endpoints inside a company."""

    @field_validator("allow_networks")
    @classmethod
    def _networks_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each)  # its ValueError says what is wrong
        return value
