"""How much work one message may cost: a template that loops or grows without end is stopped, not waited for."""

from typing import Final

from jinja2 import TemplateRuntimeError

MAX_CHARACTERS: Final = 1_000_000
"""How long a part of a message, or a text made on the way, may be."""

MAX_STEPS: Final = 50_000
"""How many values printed, turns of loops and calls one message may take."""

MAX_RANGE: Final = 1_000
"""How far ``range`` counts."""

BUDGET: Final = "_budget"
"""The name under which a rendering carries its budget; templates may not use names that begin with ``_``."""


class LimitReached(TemplateRuntimeError):
    """A template asked for more than a message may cost."""


class Budget:
    """What is left to spend on one message."""

    __slots__ = ("characters", "steps")

    def __init__(self) -> None:
        self.characters = MAX_CHARACTERS
        self.steps = MAX_STEPS

    def spend(self, *, steps: int = 1, characters: int = 0) -> None:
        """Take from what is left; raise LimitReached when nothing is."""
        self.steps -= steps
        self.characters -= characters
        if self.steps < 0:
            raise LimitReached(f"the template takes more than {MAX_STEPS} steps")
        if self.characters < 0:
            raise LimitReached(f"the template writes more than {MAX_CHARACTERS} characters")


def check_length(length: int) -> None:
    """Raise LimitReached when a text or list of this length would be too long."""
    if length > MAX_CHARACTERS:
        raise LimitReached(f"the template makes a value longer than {MAX_CHARACTERS} characters")


def bounded_range(*bounds: int) -> range:
    """Count as Python's ``range`` does, at most MAX_RANGE numbers."""
    numbers = range(*bounds)
    if len(numbers) > MAX_RANGE:
        raise LimitReached(f"range() counts to {MAX_RANGE} at most")
    return numbers
