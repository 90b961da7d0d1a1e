"""What the e-mails of one action about one kind of event share, found once; each then reads of its event what it tells.

Opening a whole event and looking everything up again took longer than rendering a short template.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tidings.events import narrow_view
from tidings.events.v1.event_pb2 import Event
from tidings.links import MakeLinks
from tidings.model import SERVICE, Brand, Contact, Delivery, Email
from tidings.render import TemplateSet
from tidings.rulebook.book import Rulebook
from tidings.rulebook.compose import Letter, brand_view, links_of
from tidings.rules import EmailAction, Rule

_OF_A_DIGEST = frozenset({"events", "more"})
_ALWAYS = ("eventName",)
"""A path that every view has, for templates that read nothing of their event: no path would mean all of it."""


class PlainEmail(NamedTuple):
    """What e-mails share that differ in their event and their reader alone, and that may go at any hour."""

    rule: Rule
    letter: Letter
    asks: bool
    """Whether their reader may object."""
    view_of: Callable[[Event], dict[str, Any]]
    """Opens as much of an event as their template reads."""

    @property
    def brand(self) -> Brand:
        """The brand that sends them."""
        return self.letter.brand

    def message(
        self, delivery: Delivery, event: Event, contact: Contact | None, address: str, *, links: MakeLinks
    ) -> Email:
        """Return the same e-mail as ``compose``; raise RenderError as it does."""
        made = links_of(links, delivery, self.rule.category, address) if self.asks else None
        return self.letter.written(delivery, self.view_of(event), contact, address, made)


def plain_email(rulebook: Rulebook, delivery: Delivery) -> PlainEmail | None:
    """Return what is alike in all deliveries that differ from this one in event and reader alone.

    None for what is no e-mail or cannot be composed; for what counts against a throttle or a cap, gathers, or has hours
    of its own; and for templates that tell of a digest.
    """
    rule = rulebook.rules.rule(delivery.rule_id)
    brand = rulebook.rules.brands.get(delivery.org_id)
    if rule is None or brand is None or delivery.action >= len(rule.actions):
        return None
    action = rule.actions[delivery.action]
    if not isinstance(action, EmailAction) or _has_hours(rule, brand):
        return None
    paths = _read(rulebook.templates, action.template)
    if any(path[0] in _OF_A_DIGEST for path in paths):
        return None
    letter = Letter(rulebook.templates, action.template, brand, brand_view(brand))
    asks = action.asks_consent and rule.category != SERVICE
    return PlainEmail(rule, letter, asks, narrow_view(delivery.event_name, paths))


def _has_hours(rule: Rule, brand: Brand) -> bool:
    """Say whether the clock, or what was sent before, may keep such e-mails back."""
    timing = rule.timing
    if timing.throttle is not None or timing.digest is not None or timing.send_at is not None:
        return True
    return (brand.quiet_hours is not None and not timing.urgent) or any(cap.covers(rule.category) for cap in brand.caps)


def _read(templates: TemplateSet, name: str) -> list[tuple[str, ...]]:
    """Return the paths that a template reads in any language, with all it includes."""
    return [_ALWAYS, *{use.path for use in templates.variables(name)}]
