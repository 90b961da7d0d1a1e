"""What a transaction of a writing lane did that others must hear of, once it is committed."""

from collections.abc import Callable, Sequence
from typing import Protocol

from tidings.store.values import (
    DeliveryChange,
)


class Followed(Protocol):
    """What may have readers."""

    @property
    def followed(self) -> bool:
        """Whether anybody reads."""


class MovesSeen:
    """Gathers where a lane works; ``tell`` is called there, and from a thread must reach the event loop by itself."""

    def __init__(self, feed: Followed, tell: Callable[[bool, Sequence[DeliveryChange]], None]) -> None:
        self._feed = feed
        self._tell = tell
        self._work = False
        self._changes: list[DeliveryChange] = []

    @property
    def followed(self) -> bool:
        """Whether anybody wants to hear of changes; if not, do not trouble to describe them."""
        return self._feed.followed

    def work_came(self) -> None:
        """Note that deliveries came to wait."""
        self._work = True

    def saw(self, changes: Sequence[DeliveryChange]) -> None:
        """Note changes."""
        self._changes.extend(changes)

    def committed(self) -> None:
        """Tell of what was noted."""
        work, changes = self._work, self._changes
        self.rolled_back()
        if work or changes:
            self._tell(work, changes)

    def rolled_back(self) -> None:
        """Forget what was noted."""
        self._work, self._changes = False, []
