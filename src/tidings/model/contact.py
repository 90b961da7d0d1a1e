"""What the gateway knows of how to reach a customer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final
from zoneinfo import available_timezones

# Deliberately simple: one @, no blanks or control characters, a dot-free local domain is allowed. Whether an
# address exists only its server knows; what must never pass is anything that could break out of a header.
_ADDRESS: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,64}@[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,255}")
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_LONGEST: Final = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One customer of one organisation. Everything but the two identifiers may be unknown."""

    org_id: int
    customer_id: str
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    """BCP 47 tag, such as ``en`` or ``ar-AE``."""
    time_zone: str | None = None
    """IANA name, such as ``Asia/Kolkata``."""


def is_address(text: str) -> bool:
    """Say whether a text has the shape of one bare e-mail address."""
    return _ADDRESS.fullmatch(text) is not None


def contact_faults(contact: Contact) -> Iterator[tuple[str, str]]:
    """Find what keeps a contact out of the directory: pairs of field name and description."""
    if contact.org_id < 0:
        yield "org_id", f"must not be negative, got {contact.org_id}"
    if not contact.customer_id:
        yield "customer_id", "must not be empty"
    if len(contact.customer_id) > _LONGEST:
        yield "customer_id", f"must have at most {_LONGEST} characters, has {len(contact.customer_id)}"
    if contact.email is not None and not is_address(contact.email):
        yield "email", "is not an e-mail address such as member@example.com"
    if contact.name is not None and len(contact.name) > _LONGEST:
        yield "name", f"must have at most {_LONGEST} characters, has {len(contact.name)}"
    if contact.locale is not None and not _LOCALE.fullmatch(contact.locale):
        yield "locale", f"{contact.locale!r} is not a locale such as en or ar-AE"
    if contact.time_zone is not None and contact.time_zone not in _zones():
        yield "time_zone", f"{contact.time_zone!r} is not an IANA time zone such as Asia/Kolkata"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
