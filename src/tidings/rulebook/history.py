"""The rulebook that is live, and those of the past that deliveries still refer to."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from tidings.errors import NotFound
from tidings.rulebook.book import Rulebook

_KEPT = 8
"""How many past revisions stay compiled. A retry rarely reaches further back than a few reloads."""

ReadPast = Callable[[str], Awaitable[Rulebook | None]]
"""Returns a past revision compiled from its stored sources, or None when there is none."""


class Rulebooks:
    """Hands out rulebooks by revision; past ones are read when first asked for."""

    def __init__(self, current: Rulebook, *, read_past: ReadPast) -> None:
        self.current = current
        self._read_past = read_past
        self._past: OrderedDict[str, Rulebook] = OrderedDict()

    def replace(self, rulebook: Rulebook) -> None:
        """Make another rulebook the live one; the old one stays at hand for what it decided."""
        self._keep(self.current)
        self.current = rulebook

    async def get(self, revision: str) -> Rulebook:
        """Return the rulebook of a revision.

        Raises:
            NotFound: the store has no such revision.
            InvalidRulebook: this release no longer accepts those sources.
        """
        if revision == self.current.revision:
            return self.current
        if revision in self._past:
            self._past.move_to_end(revision)
            return self._past[revision]
        past = await self._read_past(revision)
        if past is None:
            raise NotFound("rulebook revision", revision)
        self._keep(past)
        return past

    def _keep(self, rulebook: Rulebook) -> None:
        self._past[rulebook.revision] = rulebook
        self._past.move_to_end(rulebook.revision)
        while len(self._past) > _KEPT:
            self._past.popitem(last=False)
