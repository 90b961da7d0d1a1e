"""Did you mean: the nearest of the names that exist, or none when nothing is near."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Final

CUT_OFF: Final = 0.7
"""How alike two names must be, from 0 to 1; below it a guess misleads more than it helps."""

LONGEST: Final = 100
"""Longer names are not compared: nobody misspells them by a letter, and comparing costs their product."""


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate most like the name, ignoring case first; None when none is near enough."""
    if len(name) > LONGEST:
        return None
    best, best_score = None, CUT_OFF
    folded = name.casefold()
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(folded)
    for candidate in sorted(candidates):
        matcher.set_seq1(candidate.casefold())
        if matcher.real_quick_ratio() <= best_score or matcher.quick_ratio() <= best_score:
            continue
        score = matcher.ratio()
        if score > best_score:
            best, best_score = candidate, score
    return best


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return a hint such as ``did you mean 'event'?``, or an empty text."""
    near = nearest(name, candidates)
    return f"did you mean {near!r}?" if near is not None else ""
