"""What included pieces print that read of a message its brand alone: printed once, then taken from memory.

Headers, footers and styles are most of what a template prints, and the same in each message of a brand. What they
cost is charged as if they were printed anew.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

from jinja2.runtime import Context

from tidings.render.formats import FORMATS
from tidings.render.limits import BUDGET, Budget

Program = Callable[[Context], Iterator[str]]
"""What Jinja makes of a template: prints it in pieces."""

_BRAND: Final = "brand"
READ: Final = frozenset({_BRAND})
"""A piece that looks up nothing else of its message may be remembered."""
_KEPT: Final = 64
"""How many brands, each in its readers' regions and zones, a piece is remembered for."""


class _Printed(NamedTuple):
    """What a piece printed, and the very objects that it printed it of."""

    brand: Any
    formats: Any
    text: str
    steps: int
    characters: int


def remembering(program: Program) -> Program:
    """Return a program that prints the same, for a piece that looks up ``READ`` alone and includes nothing.

    It goes by which object the brand is, not by what is equal: whoever sends many messages hands in the same.
    """
    known: dict[tuple[int, int], _Printed] = {}

    def printed(context: Context) -> Iterator[str]:
        given = context.parent
        brand, formats = given.get(_BRAND), given.get(FORMATS)
        budget: Budget = given[BUDGET]
        key = (id(brand), id(formats))
        found = known.get(key)
        if found is None:
            steps, characters = budget.steps, budget.characters
            text = "".join(program(context))
            if len(known) >= _KEPT:
                known.clear()
            # Held on to, so that no other object gets their identities.
            known[key] = _Printed(brand, formats, text, steps - budget.steps, characters - budget.characters)
        else:
            budget.spend(steps=found.steps, characters=found.characters)
            text = found.text
        yield text

    return printed
