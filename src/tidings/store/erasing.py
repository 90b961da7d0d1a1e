"""Forgetting a person, stretch by stretch, so that nobody else's call waits for long; for every kind of database.

No index leads from a person to what concerns them: it would cost every event that is stored, for the sake of a rare
request. So deliveries and events are gone through once, in stretches of rows.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Final

from tidings.model import Recipient, RecipientKind
from tidings.store.values import (
    Erasure,
    Person,
)

REASON: Final = "its customer was erased"
_STRETCH: Final = 20_000
"""Rows gone through in one transaction: some ten milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A person, and the rows among which to look for them."""

    person: Person
    after: int
    through: int
    now: int


async def in_stretches(
    person: Person, *, last: int, now: int, erase: Callable[[Stretch], Awaitable[Erasure]]
) -> Erasure:
    """Add up what erasing came to over rows up to ``last``.

    What was in a worker's hands when its stretch was looked at is ``under_way``, wherever it has gone since.
    """
    done, under_way = Erasure(), 0
    for after in range(0, last, _STRETCH):
        through = min(after + _STRETCH, last)
        part = await erase(Stretch(person=person, after=after, through=through, now=now))
        done, under_way = done + part, under_way + part.under_way
    return replace(done, under_way=under_way)


def recipients_of(person: Person) -> list[str]:
    """Return the recipients that stand for a person's addresses."""
    return [str(Recipient(kind=RecipientKind.ADDRESS, name=each)) for each in person.addresses]


def mentions(person: Person) -> re.Pattern[bytes]:
    """Find a person's number or address standing by itself: ``471`` is not in ``4711``."""
    words = b"|".join(re.escape(each.encode()) for each in (person.customer_id, *person.addresses))
    return re.compile(rb"(?<![A-Za-z0-9])(?:" + words + rb")(?![A-Za-z0-9])", re.IGNORECASE)
