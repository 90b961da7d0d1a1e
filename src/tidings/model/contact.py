"""What the gateway knows of how to reach a customer, and what they agreed to."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Final, TypeVar
from zoneinfo import available_timezones

SERVICE: Final = "service"
"""The category of messages that need no consent."""

# Deliberately simple: one @, no blanks or control characters, a dot-free local domain is allowed. Whether an
# address exists only its server knows; what must never pass is anything that could break out of a header.
_ADDRESS: Final = re.compile(r"[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,64}@[^\s@<>,;:\"()\[\]\\\x00-\x1f\x7f]{1,255}")
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{2,8})*")
_CATEGORY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_ATTRIBUTE: Final = re.compile(r"[^\x00-\x1f\x7f]{1,100}")
_LONGEST: Final = 256
MOST_NAMED: Final = 50
"""How many consents, and how many attributes, a contact may have; see `growing` for what may pass it."""


T = TypeVar("T")


class ConsentSource(StrEnum):
    """Where a consent or an objection came from."""

    API = "api"
    IMPORT = "import"
    UNSUBSCRIBE_LINK = "unsubscribe_link"
    """A link in an e-mail, followed by its reader or by their mail program."""
    PREFERENCE_PAGE = "preference_page"


_OWN_WORD: Final = frozenset({ConsentSource.UNSUBSCRIBE_LINK, ConsentSource.PREFERENCE_PAGE})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentMark:
    """Where what a customer said last about a category came from, and when, epoch milliseconds."""

    source: ConsentSource
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One customer of one organisation. Everything but the two identifiers may be unknown.

    Given to a store it is what is to be changed: None, and a consent or an attribute that is not named, leave what
    was known; an empty text makes it unknown.
    """

    org_id: int
    customer_id: str
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    """BCP 47 tag, such as ``en`` or ``ar-AE``."""
    time_zone: str | None = None
    """IANA name, such as ``Asia/Kolkata``."""
    consents: Mapping[str, bool] = field(default_factory=dict)
    """By category whether they agreed to its messages or objected; a category that is missing was never asked about."""
    consent_marks: Mapping[str, ConsentMark] = field(default_factory=dict)
    """By category where its consent came from; missing where that was not kept."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Whatever else the brand knows, by name."""


def marked(contact: Contact, source: ConsentSource, *, now: int) -> Contact:
    """Return the contact with a mark for each consent it names."""
    mark = ConsentMark(source=source, at=now)
    return replace(contact, consent_marks=dict.fromkeys(contact.consents, mark))


def merged(survivor: Contact, victim: Contact) -> Contact:
    """Return the contact of two customers who have become one.

    What the survivor has stands, what is missing comes from the victim; but an objection of either stands. A consent
    keeps the mark of whom it was taken from. Of the victim's agreements and attributes so many are taken, in order of
    name, as a contact may have; objections are never left out.
    """
    objections = {category for category, wanted in victim.consents.items() if not wanted}
    objections -= {category for category, wanted in survivor.consents.items() if not wanted}
    consents = dict(survivor.consents) | dict.fromkeys(sorted(objections), False)
    marks = {category: mark for category, mark in survivor.consent_marks.items() if category not in objections}
    _fill_up(consents, victim.consents)
    taken = objections | (consents.keys() - survivor.consents.keys())
    marks |= {category: mark for category, mark in victim.consent_marks.items() if category in taken}
    attributes = dict(survivor.attributes)
    _fill_up(attributes, victim.attributes)
    return replace(
        survivor,
        email=survivor.email or victim.email,
        name=survivor.name or victim.name,
        locale=survivor.locale or victim.locale,
        time_zone=survivor.time_zone or victim.time_zone,
        consents=consents,
        consent_marks=marks,
        attributes=attributes,
    )


def growing(said: Contact) -> tuple[str, ...]:
    """Return the fields that could come to hold too much by what is said of a contact: ``consents``, ``attributes``.

    What customers say themselves, of categories that messages to them had, is never one too many.
    """
    own = any(mark.source in _OWN_WORD for mark in said.consent_marks.values())
    consents = ("consents",) if said.consents and not own else ()
    return (*consents, "attributes") if any(said.attributes.values()) else consents


def objections_of(contact: Contact) -> Contact | None:
    """Return what must be kept of a contact that goes, while messages may still wait for it; None: nothing."""
    consents = {category: wanted for category, wanted in contact.consents.items() if not wanted}
    if not consents:
        return None
    marks = {category: mark for category, mark in contact.consent_marks.items() if category in consents}
    return Contact(org_id=contact.org_id, customer_id=contact.customer_id, consents=consents, consent_marks=marks)


def _fill_up(known: dict[str, T], further: Mapping[str, T]) -> None:
    """Add what is not known yet, in order of name, as long as a contact has room for it."""
    for name in sorted(further.keys() - known.keys()):
        if len(known) < MOST_NAMED:
            known[name] = further[name]


def is_address(text: str) -> bool:
    """Say whether a text has the shape of one bare e-mail address."""
    return _ADDRESS.fullmatch(text) is not None


def contact_faults(contact: Contact) -> Iterator[tuple[str, str]]:
    """Find what keeps a contact out of the directory: pairs of field name and description."""
    if not 0 <= contact.org_id < 2**63:
        yield "org_id", f"must not be negative, and fit 64 bits, got {contact.org_id}"
    if not contact.customer_id:
        yield "customer_id", "must not be empty"
    if len(contact.customer_id) > _LONGEST:
        yield "customer_id", f"must have at most {_LONGEST} characters, has {len(contact.customer_id)}"
    if contact.email and not is_address(contact.email):
        yield "email", "is not an e-mail address such as member@example.com"
    if contact.name and len(contact.name) > _LONGEST:
        yield "name", f"must have at most {_LONGEST} characters, has {len(contact.name)}"
    if contact.locale and not _LOCALE.fullmatch(contact.locale):
        yield "locale", f"{contact.locale!r} is not a locale such as en or ar-AE"
    if contact.time_zone and contact.time_zone not in _zones():
        yield "time_zone", f"{contact.time_zone!r} is not an IANA time zone such as Asia/Kolkata"
    if contact.consents:
        yield from _consent_faults(contact.consents)
    if contact.attributes:
        yield from _attribute_faults(contact.attributes)


def _consent_faults(consents: Mapping[str, bool]) -> Iterator[tuple[str, str]]:
    if len(consents) > MOST_NAMED:
        yield "consents", f"must be at most {MOST_NAMED}, are {len(consents)}"
    for category in consents:
        if not _CATEGORY.fullmatch(category):
            yield f"consents.{category[:_LONGEST]}", "is not a category: up to 100 letters, digits, dots, dashes and _"
        elif category == SERVICE:
            yield f"consents.{category}", "needs no consent, so none can be given or refused"


def _attribute_faults(attributes: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    if len(attributes) > MOST_NAMED:
        yield "attributes", f"must be at most {MOST_NAMED}, are {len(attributes)}"
    for name, value in attributes.items():
        if not _ATTRIBUTE.fullmatch(name):
            yield f"attributes.{name[:_LONGEST]!r}", "must have a name of 1 to 100 characters that can be printed"
        if len(value) > _LONGEST:
            yield f"attributes.{name[:_LONGEST]}", f"must have at most {_LONGEST} characters, has {len(value)}"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones())
