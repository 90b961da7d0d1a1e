"""Brands (tenants), their webhook endpoints, and how secrets are named without being held."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import time
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

from tidings.model.contact import SERVICE

_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_RATE: Final = re.compile(r"([1-9][0-9]{0,6})/([smhd])")


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Names a secret, ``env:NAME`` or ``file:PATH``. The value is read where it is used and never stored."""

    scheme: Literal["env", "file"]
    name: str

    def __str__(self) -> str:
        return f"{self.scheme}:{self.name}"

    @classmethod
    def parse(cls, text: str) -> "SecretRef":
        """Read ``env:NAME`` or ``file:PATH``; raise ValueError, without repeating the text, on anything else."""
        scheme, _, name = text.partition(":")
        if scheme not in ("env", "file") or not name:
            raise ValueError("a secret is a reference, env:NAME or file:PATH, never the value itself")
        return cls("env" if scheme == "env" else "file", name)


class Secrets(Protocol):
    """Looks secrets up; implemented where the environment is read."""

    def __call__(self, reference: SecretRef) -> str | None:
        """Return the secret's value, or None when there is no such secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """At most ``count`` in ``seconds``; ``str()`` gives the written form ``50/s`` and ``parse`` reads it."""

    count: int
    seconds: float

    def __str__(self) -> str:
        unit = next((unit for unit, seconds in _UNITS.items() if seconds == self.seconds), f"{self.seconds:g}s")
        return f"{self.count}/{unit}"

    @classmethod
    def parse(cls, text: str) -> "Rate":
        """Read ``50/s``; the unit is s, m, h or d. Raise ValueError on anything else."""
        found = _RATE.fullmatch(text)
        if found is None:
            raise ValueError("a rate reads COUNT/UNIT with s, m, h or d, such as 100/s")
        return cls(count=int(found[1]), seconds=_UNITS[found[2]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A brand's webhook address with its secrets and limits."""

    org_id: int
    name: str
    url: str
    secrets: tuple[SecretRef, ...]
    """Signing secrets, newest first; each signs, so that a rotation needs no pause."""
    rate: Rate | None = None
    """How many may be sent; None: as many as it takes."""
    concurrency: int = 16
    """How many may be under way at once."""
    ordering: Literal["none", "customer"] = "none"
    """``customer``: a customer's webhooks are sent one after the other, in order."""
    headers: Mapping[str, str | SecretRef] = field(default_factory=dict)
    """Headers sent with every webhook beside the standard ones."""
    retry: tuple[int, ...] | None = None
    """Pauses between attempts, milliseconds; None: the channel's schedule."""
    certificate: str | None = None
    """Path of a client certificate (PEM, its key in the same file) for mutual TLS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuietHours:
    """Local hours in which customers are left alone; ``start`` later than ``end`` spans midnight."""

    start: time
    end: time


Consent = Literal["opt_in", "opt_out"]
"""Whether a message needs that its reader agreed to its category, or only that they did not object to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentPolicy:
    """What a brand's messages need of their readers."""

    usual: Consent = "opt_in"
    """For categories that are not named."""
    by_category: Mapping[str, Consent] = field(default_factory=dict)

    def allows(self, category: str, consents: Mapping[str, bool]) -> bool:
        """Say whether a reader who said this may be sent a message of a category; one of service always may."""
        if category == SERVICE:
            return True
        return consents.get(category, self.by_category.get(category, self.usual) == "opt_out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Colours:
    """A brand's colours, each ``#rrggbb``: large areas and buttons, text, what surrounds a message, links."""

    primary: str = "#3d348b"
    text: str = "#2b2d42"
    background: str = "#f2f2f7"
    link: str = "#3d348b"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cap:
    """At most ``limit`` e-mails to a customer in ``per`` milliseconds, whatever rules send them."""

    limit: int
    per: int
    categories: frozenset[str] | None = None
    """The categories that count; None: all but service."""

    def covers(self, category: str) -> bool:
        """Say whether messages of a category count."""
        return category != "service" if self.categories is None else category in self.categories


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """A tenant: one organisation with its sender, zone, locale and endpoints."""

    org_id: int
    name: str
    sender: str
    """The From header: ``Name <address>`` or an address."""
    alerts_to: tuple[str, ...] = ()
    time_zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    locale: str = "en"
    quiet_hours: QuietHours | None = None
    caps: tuple[Cap, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    weight: int = 1
    """Its share of the gateway when others have work waiting too."""
    logo: str | None = None
    """Address of a picture, https."""
    colours: Colours = Colours()
    address: str | None = None
    """Postal, for the foot of messages."""
    consent: ConsentPolicy = field(default_factory=ConsentPolicy)
    categories: Mapping[str, str | Mapping[str, str]] = field(default_factory=dict)
    """What categories of messages are called on the page of preferences: in one language, or by locale."""

    keep_contacts: bool = False
    """Whether events keep the directory of contacts current."""

    def endpoint(self, name: str) -> Endpoint | None:
        """Return the endpoint of that name, or None."""
        return next((each for each in self.endpoints if each.name == name), None)
