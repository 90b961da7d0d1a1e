"""Digests that go at a time of day: by the clock of the customer as the directory knows them."""

from tidings.model import PlannedDelivery
from tidings.rulebook import Rulebook
from tidings.rules import Digest, Rule, gathered_until
from tidings.rules.hours import zone_named
from tidings.rules.planning import goes_to_customer
from tidings.store import Publication, Store


async def by_their_clocks(publication: Publication, rulebook: Rulebook, store: Store) -> Publication:
    """Let each digest that the event may begin go by its customer's clock; decided, it goes by the brand's.

    Raises StoreUnavailable when the directory cannot be asked.
    """
    if all(each.digest is None for each in publication.deliveries):
        return publication
    deliveries = [await _by_their_clock(each, publication, rulebook, store) for each in publication.deliveries]
    return publication._replace(deliveries=tuple(deliveries))


async def _by_their_clock(
    planned: PlannedDelivery, publication: Publication, rulebook: Rulebook, store: Store
) -> PlannedDelivery:
    rule = rulebook.rules.rule(planned.rule_id)
    digest = None if rule is None else _at_their_hour(rule, planned)
    if digest is None or not planned.customer_id:
        return planned
    event = publication.event
    contact = await store.get_contact(event.org_id, planned.customer_id)
    zone = None if contact is None else zone_named(contact.time_zone)
    if zone is None:
        return planned
    return planned._replace(due_at=gathered_until(digest, zone, now=event.received_at))


def _at_their_hour(rule: Rule, planned: PlannedDelivery) -> Digest | None:
    """Return the digest that a delivery is gathered in, if it goes to a customer at a time of day."""
    digest = rule.timing.digest
    if digest is None or digest.at is None or not goes_to_customer(planned.recipient, rule.actions[planned.action]):
        return None
    return digest
