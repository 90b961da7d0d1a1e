"""Compiles the patterns of ``matches`` so that neither an event nor an author can make one run for long.

Python's engine backtracks. What backtracks exponentially is refused: a choice within a repetition, back
references, look-around. For the rest the number of ways to try is bounded in advance, from the pattern alone,
for the longest text that is looked at.
"""

import math
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

from tidings.expressions.errors import Fault, InvalidValue

PATTERN_LIMIT: Final = 200
"""How many characters a pattern may have."""
SUBJECT_LIMIT: Final = 300
"""How many characters of text a pattern is tried on; longer text is an error."""
WAYS_LIMIT: Final = 20_000_000
"""How many ways there may be to try a pattern on the longest text: about a tenth of a second at the very worst."""

PIECE: Final = re.compile(
    r"""(?P<escape>\\.)
      | (?P<set>\[\^?\]?(?:\\.|[^\]\\])*\])
      | (?P<open>\(\?:|\((?!\?))
      | (?P<special>\(\?)
      | (?P<close>\))
      | (?P<either>\|)
      | (?P<repeat>[*+?]|\{[0-9]*(?:,[0-9]*)?\})[?+]?
      | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class _Group:
    """What is known of the pattern between two parentheses."""

    alternatives: int = 1
    ways: int = 1
    """How many ways the bounded choices within can be combined."""
    unbounded: int = 0
    """How many repetitions within have no bound."""
    last: "_Group | None" = field(default=None)
    """The group just closed, as long as a repetition may follow it."""

    @property
    def choosing(self) -> bool:
        return self.alternatives * self.ways > 1 or self.unbounded > 0

    def absorb(self, inner: "_Group") -> None:
        self.ways *= inner.ways * inner.alternatives
        self.unbounded += inner.unbounded


@lru_cache(maxsize=1024)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Return the compiled pattern; raise Fault if it is none, or if it could run for long."""
    if len(pattern) > PATTERN_LIMIT:
        raise Fault(InvalidValue, f"the pattern has {len(pattern)} characters, more than {PATTERN_LIMIT}")
    try:
        compiled = re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise Fault(InvalidValue, f"the pattern cannot be read: {error}") from None
    _refuse_slow(pattern)
    return compiled


def found_in(pattern: re.Pattern[str], subject: str) -> bool:
    """Say whether the pattern is found anywhere in the text."""
    if len(subject) > SUBJECT_LIMIT:
        raise Fault(InvalidValue, f"matches() takes text of up to {SUBJECT_LIMIT} characters, not {len(subject)}")
    return pattern.search(subject) is not None


def _refuse_slow(pattern: str) -> None:
    body = pattern.removeprefix("(?i)")
    whole = _measure(body)
    anchored = body.startswith("^") and whole.alternatives == 1
    power = whole.unbounded + (0 if anchored else 1)
    ways = whole.ways * whole.alternatives * SUBJECT_LIMIT**power // math.factorial(power)
    if ways > WAYS_LIMIT:
        raise Fault(
            InvalidValue,
            "the pattern has too many repetitions and could run for long",
            hint="begin it with ^, or use fewer of * + ? {} |",
        )


def _measure(body: str) -> _Group:
    stack = [_Group()]
    for piece in PIECE.finditer(body):
        group = stack[-1]
        last, group.last = group.last, None
        match piece.lastgroup:
            case "open":
                stack.append(_Group())
            case "close":
                inner = stack.pop()
                stack[-1].absorb(inner)
                stack[-1].last = inner
            case "either":
                group.alternatives += 1
            case "repeat":
                _repeat(group, last, piece["repeat"])
            case "special":
                raise Fault(InvalidValue, "patterns have no (?...) but (?:...) and a leading (?i)")
            case "escape" if piece["escape"][1].isdigit():
                raise Fault(InvalidValue, "patterns have no back references")
    return stack[0]


def _repeat(group: _Group, last: _Group | None, written: str) -> None:
    least, most = _bounds(written)
    if last is not None and last.choosing and (most is None or most > 1):
        raise Fault(
            InvalidValue,
            "the pattern repeats a group that itself repeats or chooses, which could run for ever",
            hint="take the inner * + ? {} or | out of the repeated group",
        )
    if most is None:
        group.unbounded += 1
    else:
        group.ways *= max(most - least + 1, 1)


def _bounds(written: str) -> tuple[int, int | None]:
    if written in "*+?":
        return {"*": (0, None), "+": (1, None), "?": (0, 1)}[written]
    least, comma, most = written[1:-1].partition(",")
    if not comma:
        return (int(least or 0), int(least or 0))
    return (int(least or 0), int(most) if most else None)
