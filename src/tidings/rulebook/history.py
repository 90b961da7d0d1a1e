"""The rulebook that is live, and those of the past that deliveries still refer to."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from tidings.errors import NotFound
from tidings.rulebook.load import Rulebook, load, unpack

_KEPT = 8
"""How many past revisions stay compiled. A retry rarely reaches further back than a few reloads."""

ReadArchive = Callable[[str], Awaitable[bytes | None]]
"""Returns the packed sources of a revision, or None."""


class Rulebooks:
    """Hands out rulebooks by revision; compiles past ones from their stored sources when first asked."""

    def __init__(self, current: Rulebook, *, read_archive: ReadArchive) -> None:
        self.current = current
        self._read_archive = read_archive
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
        archive = await self._read_archive(revision)
        if archive is None:
            raise NotFound("rulebook revision", revision)
        # Secrets are not checked: one that has gone since must not keep the past from being read.
        self._keep(load(unpack(archive)))
        return self._past[revision]

    def _keep(self, rulebook: Rulebook) -> None:
        self._past[rulebook.revision] = rulebook
        self._past.move_to_end(rulebook.revision)
        while len(self._past) > _KEPT:
            self._past.popitem(last=False)
