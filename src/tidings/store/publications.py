"""Publications by their parts: as they are prepared, travel to whoever writes, and become rows."""

from collections.abc import Iterator, Sequence
from typing import Any, Final, Self, overload

from tidings.model import PlannedDelivery, digest_of
from tidings.store.values import Publication, StoredEvent

_new: Final = tuple.__new__

OWN_DIGEST: Final = b""
"""Stands for the digest of an event that came as it is kept, its id in it: whoever needs it takes it of the content."""

Columns = tuple[Any, ...]
"""An event's, in the order of StoredEvent; its digest may be ``OWN_DIGEST``."""
Planned = tuple[PlannedDelivery, ...]
Extra = tuple[Any, ...]
"""What else a publication asks for: its call-offs, contact and swallows."""

_NO_EXTRA: Final[Extra] = ((), None, None)
_CONTENT: Final = StoredEvent._fields.index("content")


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
        parts = cls([], {}, {})
        for each in publications:
            parts.add(each)
        return parts

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

    def add(self, publication: Publication) -> None:
        """Take one apart and add it at the end."""
        event, deliveries, call_offs, contact, swallows = publication
        place = len(self.events)
        if deliveries:
            self.planned[place] = deliveries
        if call_offs or contact is not None or swallows is not None:
            self.extras[place] = (call_offs, contact, swallows)
        self.events.append(tuple(event))

    @property
    def size(self) -> int:
        """How large the events are, bytes."""
        return sum([len(event[_CONTENT]) for event in self.events])

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
        org_id, event_id, name, at, revision, content, digest, *rest = self.events[place]
        digest = digest or digest_of(content)
        event = _new(StoredEvent, (org_id, event_id, name, at, revision, content, digest, *rest))
        return _new(Publication, (event, self.planned.get(place, ()), *self.extras.get(place, _NO_EXTRA)))
