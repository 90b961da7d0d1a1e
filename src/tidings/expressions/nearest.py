"""Did you mean? The nearest of some names, or nothing: a silly suggestion is worse than none."""

from collections.abc import Iterable, Iterator
from difflib import SequenceMatcher
from typing import Final

from tidings.expressions.types import Type, field_type

CUT_OFF: Final = 0.75
"""How alike two names must be, from 0 to 1."""
DEPTH: Final = 3
"""How far below the data a field of the very same name is looked for."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like this one, if it is like enough."""
    folded = name.casefold().replace("_", "")
    scored = [(_likeness(folded, each.casefold().replace("_", "")), each) for each in sorted(known)]
    likeness, best = max(scored, default=(0.0, ""))
    return best if likeness >= CUT_OFF and best != name else None


def _likeness(left: str, right: str) -> float:
    if left == right:
        return 1.0
    return SequenceMatcher(None, left, right).ratio() if min(len(left), len(right)) > 2 else 0.0  # noqa: PLR2004 - of two letters everything is alike


def elsewhere(name: str, root: Type) -> str | None:
    """Return the shortest path to a field of that name somewhere in the value, if there is one."""
    found = (path for path, known in _fields(root, "", DEPTH) if known == name)
    return min(found, key=lambda path: (path.count("."), path), default=None)


def _fields(owner: Type, path: str, depth: int) -> Iterator[tuple[str, str]]:
    for name, known in (owner.fields or {}).items():
        place = f"{path}.{name}" if path else name
        yield place, name
        if depth:
            within = field_type(known, place)
            listed = within.element
            yield from _fields(listed or within, f"{place}[*]" if listed else place, depth - 1)
