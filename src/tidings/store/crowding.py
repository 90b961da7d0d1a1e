"""Contacts that would have more consents or attributes than one may, once what is said of them came to what is known.

Calls are refused. An event is not: what customers who became one have too much of is left out, and that is logged.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tidings.errors import FieldViolation, InvalidRequest
from tidings.model import MOST_NAMED, Contact, growing, merged
from tidings.telemetry import events, get_logger

log = get_logger()

Identity = tuple[int, str]
"""Organisation and customer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """How many consents and attributes a contact has."""

    consents: int
    attributes: int


_NONE: Final = Named(consents=0, attributes=0)


def bounded(requests: Sequence[Sequence[Contact]]) -> list[Identity]:
    """Return whose contacts, of all these calls, could come to have too many; usually those of few, or of nobody."""
    said = (each for request in requests for each in request if each.consents or each.attributes)
    return sorted({(each.org_id, each.customer_id) for each in said if growing(each)})


def refuse_crowded(
    requests: Sequence[Sequence[Contact]], *, before: Mapping[Identity, Named], after: Mapping[Identity, Named]
) -> None:
    """Raise InvalidRequest for contacts that grew beyond their bound; both mappings hold those beyond it alone.

    What is beyond it already, because two customers became one, may be changed and may shrink.
    """
    grown = {identity: _grown(before.get(identity, _NONE), named) for identity, named in after.items()}
    violations = [
        FieldViolation(field=f"contacts[{place}].{field}", description=grown[identity][field])
        for request in requests
        for place, identity, field in _last_places(request)
        if field in grown.get(identity, ())
    ]
    if violations:
        raise InvalidRequest(violations)


def _last_places(request: Sequence[Contact]) -> list[tuple[int, Identity, str]]:
    """Return where a call names something of a customer for the last time: what came before may stand."""
    places = {
        ((each.org_id, each.customer_id), field): place for place, each in enumerate(request) for field in growing(each)
    }
    return sorted((place, identity, field) for (identity, field), place in places.items())


def _grown(before: Named, after: Named) -> dict[str, str]:
    """Return by field what is wrong with those that grew beyond the bound."""
    counts = {"attributes": (before.attributes, after.attributes), "consents": (before.consents, after.consents)}
    return {
        field: f"must be at most {MOST_NAMED} with those known already, would be {now}"
        for field, (earlier, now) in counts.items()
        if now > max(MOST_NAMED, earlier)
    }


def merged_and_told(survivor: Contact, victim: Contact) -> Contact:
    """Return the contact of two customers who have become one; log how much there was no room for."""
    both = merged(survivor, victim)
    consents, attributes = victim.consents.keys() - both.consents, victim.attributes.keys() - both.attributes
    if consents or attributes:
        log.warning(
            events.CONTACT_MERGE_LEFT_OUT, org=survivor.org_id, consents=len(consents), attributes=len(attributes)
        )
    return both
