"""What takes long by its nature: all of it in ``make check``, a little of each kind in every ``make test``.

The marker ``long`` leaves a test to ``make check``; ``at_length`` makes one shorter that is for every day.
"""

import os
from typing import Final, TypeVar

T = TypeVar("T", int, float)

LONG: Final = bool(os.environ.get("TIDINGS_LONG"))
"""Whether everything runs, at its full length: ``make test LONG=1``."""


def at_length(everyday: T, full: T) -> T:
    """Return how much of something a test goes through: of every day, or where everything runs."""
    return full if LONG else everyday
