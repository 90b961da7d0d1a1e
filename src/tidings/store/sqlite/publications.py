"""Publications by their parts, as they travel to whoever writes and as rows are made of them."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Self, overload

from tidings.model import PlannedDelivery
from tidings.store.values import Publication, StoredEvent

_new: Final = tuple.__new__

Columns = tuple[Any, ...]
"""An event's, in the order of StoredEvent."""
Planned = tuple[PlannedDelivery, ...]
Extra = tuple[Any, ...]
"""What else a publication asks for: its call-offs, contact and swallows."""

_NO_EXTRA: Final[Extra] = ((), None, None)


class Publications(Sequence[Publication]):
    """Many of them: every event's columns, and by an event's place what few of them have beside."""

    __slots__ = ("events", "extras", "planned")

    def __init__(self, events: list[Columns], planned: dict[int, Planned], extras: dict[int, Extra]) -> None:
        """Take the parts; both by place have the places rise."""
        self.events = events
        self.planned = planned
        self.extras = extras

    @classmethod
    def of(cls, publications: Sequence[Publication]) -> Self:
        """Take publications apart; one that is in parts already is returned as it is."""
        if type(publications) is cls:
            return publications
        events: list[Columns] = []
        planned: dict[int, Planned] = {}
        extras: dict[int, Extra] = {}
        for event, deliveries, call_offs, contact, swallows in publications:
            if deliveries:
                planned[len(events)] = deliveries
            if call_offs or contact is not None or swallows is not None:
                extras[len(events)] = (call_offs, contact, swallows)
            events.append(tuple(event))
        return cls(events, planned, extras)

    @classmethod
    def joined(cls, requests: Sequence[Sequence[Publication]]) -> Self:
        """Return those of several requests in their order."""
        if len(requests) == 1:
            return cls.of(requests[0])
        events: list[Columns] = []
        planned: dict[int, Planned] = {}
        extras: dict[int, Extra] = {}
        for each in map(cls.of, requests):
            start = len(events)
            for place, deliveries in each.planned.items():
                planned[start + place] = deliveries
            for place, extra in each.extras.items():
                extras[start + place] = extra
            events += each.events
        return cls(events, planned, extras)

    @property
    def are_usual(self) -> bool:
        """Whether recording them changes no more than their events and deliveries."""
        if self.extras:
            return False
        return all(each.digest is None for deliveries in self.planned.values() for each in deliveries)

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.events)

    def __iter__(self) -> Iterator[Publication]:
        """Put each together."""
        return map(self._at, range(len(self.events)))

    @overload
    def __getitem__(self, place: int) -> Publication: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Publication]: ...
    def __getitem__(self, place: int | slice) -> Publication | Sequence[Publication]:
        """Put one together, or some."""
        places = range(len(self.events))[place]
        return self._at(places) if isinstance(places, int) else [self._at(each) for each in places]

    def _at(self, place: int) -> Publication:
        event = _new(StoredEvent, self.events[place])
        return _new(Publication, (event, self.planned.get(place, ()), *self.extras.get(place, _NO_EXTRA)))
