"""Digests: what is gathered together, and until when. Pure, the hour is an argument."""

import hashlib
import json
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any

from tidings.expressions import Expression
from tidings.model import PlannedDelivery
from tidings.rules.hours import next_time
from tidings.rules.ruleset import Action, EmailAction, Rule
from tidings.rules.timing import DAY_MS, Digest


def gathered(planned: PlannedDelivery, rule: Rule, digest: Digest, zone: tzinfo, value: Any) -> PlannedDelivery:
    """Return what a rule plans for one event as a part of a digest.

    An e-mail to a customer gathers only what concerns this customer, whatever the digest goes by. What tells of several
    customers is nobody's own. A rule that came to say something else gathers by itself, since what was gathered before
    goes out as it was meant then.

    Args:
        planned: the delivery as if the event went by itself, decided now.
        rule: which plans it.
        digest: what the rule gathers.
        zone: by whose clock the time of day is.
        value: what ``by`` gives on the event, where it is an expression.
    """
    action = rule.actions[planned.action]
    is_own = digest.by == "customer" or (isinstance(action, EmailAction) and action.asks_consent)
    customer = planned.customer_id if is_own else None
    parts = (
        (rule.id, rule.events, digest.text, planned.action, _said(action)),
        (str(planned.recipient), customer, value),
    )
    key = hashlib.blake2b(json.dumps(parts, sort_keys=True, default=str).encode(), digest_size=16).hexdigest()
    until = gathered_until(digest, zone, now=planned.due_at)
    return planned._replace(customer_id=customer, due_at=until, digest=key)


def gathered_until(digest: Digest, zone: tzinfo, *, now: int) -> int:
    """Return when a digest goes whose first event is decided ``now``: at a time of day, always later than now."""
    if digest.at is None:
        return now + digest.length
    return next_time(now + digest.length - DAY_MS + 1, digest.at, zone)


def _said(action: Action) -> tuple[Any, ...]:
    """Return what decides what an action says."""
    if isinstance(action, EmailAction):
        return "email", action.template
    return "webhook", action.type, _texts(action.body)


def _texts(body: Any) -> Any:
    if isinstance(body, Expression):
        return body.text
    return {key: _texts(value) for key, value in body.items()} if isinstance(body, Mapping) else None
