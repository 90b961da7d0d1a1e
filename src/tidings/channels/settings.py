"""How the channels are steered. Another layer reads these from files and the environment; nothing here does.

Durations are seconds as ``float``; whoever writes them may say ``15s``, ``2m``, ``500ms`` or a bare number.
"""

import math
import re
from ipaddress import ip_network
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, field_validator

from tidings.channels.transport import Capture, parse_transport
from tidings.model import SecretRef

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

_PER: Final = {"s": 1, "m": 60, "h": 3600}
_RATE: Final = re.compile(r"(\d{1,9})/([smh])", re.ASCII)


def parse_rate(value: object) -> float:
    """Read ``100/s``, ``30/m``, ``500/h`` or a number a second; raise ValueError on anything else."""
    match = _RATE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match:
        per_second = int(match[1]) / _PER[match[2]]
    elif isinstance(value, int | float) and not isinstance(value, bool):
        per_second = float(value)
    else:
        raise ValueError("a rate reads 100/s, 30/m, 500/h or a number a second")
    if not (0 < per_second < math.inf):
        raise ValueError("a rate must be more than nothing")
    return per_second


RatePerSecond = Annotated[
    float,
    BeforeValidator(parse_rate),
    WithJsonSchema({"type": ["string", "number"], "pattern": r"^\d+/(s|m|h)$", "exclusiveMinimum": 0}),
]
"""How many a second, however it was written."""

_DOMAIN: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*", re.ASCII)

_STRICT: Final = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)


class DomainLimits(BaseModel):
    """How fast one recipient domain is sent to. What an entry leaves out, it takes from ``default``."""

    model_config = _STRICT

    connections: int | None = Field(default=10, ge=1)
    """How many messages to the domain may be under way at once, each on a connection of its own; null: any."""

    rate: RatePerSecond | None = 100.0
    """How many messages to the domain may begin in a time, as ``100/s``, ``30/m`` or ``500/h``; null: any."""

    messages_per_connection: int | None = Field(default=None, ge=1)
    """How many messages to the domain one connection carries before it is replaced; null: as many as it carries
    of all domains."""


class DkimKey(BaseModel):
    """A key that signs a sender's e-mails."""

    model_config = _STRICT

    selector: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$")
    """Names the DNS record with the public half: ``SELECTOR._domainkey.DOMAIN``."""

    key: str
    """Where the private key is, RSA or Ed25519 in PEM: ``file:PATH`` or ``env:NAME``."""

    @field_validator("key")
    @classmethod
    def _key_is_a_reference(cls, value: str) -> str:
        SecretRef.parse(value)
        return value


class EmailSettings(BaseModel):
    """How e-mail leaves the gateway."""

    model_config = _STRICT

    transport: str | tuple[str, ...] = "capture:"
    """``capture:`` keeps e-mails in memory, ``capture:DIRECTORY`` also writes each as a file, and
    ``smtp://user@host:587?tls=starttls&password=env:NAME`` hands them to a relay (``tls`` is ``starttls``,
    ``implicit`` or ``none``; ``ca=FILE`` names a bundle of certificates to trust instead of the system's).
    A list names relays, the preferred one first: the next is used while those before it cannot be reached or
    do not let the gateway in."""

    timeout: Duration = 60.0
    """The longest that one attempt may take, waiting for a free connection included."""

    connect_timeout: Duration = 15.0
    """The longest that connecting, TLS and login may take together."""

    connections: int = Field(default=10, ge=1, le=1000)
    """How many connections to each relay may be open at once."""

    messages_per_connection: int = Field(default=100, ge=1)
    """How many messages one connection carries before it is replaced."""

    idle: Duration = 30.0
    """How long an unused connection is kept."""

    hello: str | None = Field(default=None, pattern=r"^[A-Za-z0-9.:\[\]-]{1,255}$")
    """The name given to the relay in EHLO; absent, this machine's own."""

    domains: dict[str, DomainLimits] = Field(default_factory=dict)
    """Limits by recipient domain, which does not stand for those below it; ``default`` is for all others."""

    dkim: dict[str, DkimKey | tuple[DkimKey, ...]] = Field(default_factory=dict)
    """What signs, by the domain of the sender's address. Of several keys each signs. ``capture:`` signs nothing."""

    @property
    def transports(self) -> tuple[str, ...]:
        """The transports, the preferred one first."""
        return (self.transport,) if isinstance(self.transport, str) else self.transport

    @field_validator("transport")
    @classmethod
    def _transport_reads(cls, value: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if isinstance(value, str):
            parse_transport(value)
            return value
        relays = [parse_transport(each) for each in value]
        if not relays:
            raise ValueError("the list of transports is empty; without a relay say capture:")
        if any(isinstance(each, Capture) for each in relays):
            raise ValueError("capture: stands alone; a list of transports holds relays, smtp://…")
        if len({(each.host, each.port) for each in relays if not isinstance(each, Capture)}) < len(relays):
            raise ValueError("the list of transports names a relay twice")
        return value

    @field_validator("domains", "dkim", mode="before")
    @classmethod
    def _names_are_domains(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        for name in value:
            if not isinstance(name, str) or not _DOMAIN.fullmatch(name):
                raise ValueError(f"{name!r} is no domain, in lower case and ASCII (xn--… for others)")
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

    connections_per_endpoint: int = Field(default=256, ge=1)
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
