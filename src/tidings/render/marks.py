"""Marks that stand in markup for words taken out of it, until they are put back."""

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

MARK: Final = "~tidings~"
"""Begins every mark. Text that has it of its own cannot have marks."""

_MARKS: Final = tuple(f"{MARK}{number}~" for number in range(256))
_PUT_BACK: Final = re.compile(MARK + r"(\d+)~")


class Form(NamedTuple):
    """A text with gaps: behind each piece but the last, the word of that number."""

    pieces: Sequence[str]
    numbers: Sequence[int]

    def filled(self, words: Sequence[str]) -> str:
        """Return the text with words in its gaps."""
        whole = [""] * (2 * len(self.numbers) + 1)
        whole[::2] = self.pieces
        whole[1::2] = [words[number] for number in self.numbers]
        return "".join(whole)


def mark(number: int) -> str:
    """Return what stands for the word of this number."""
    return _MARKS[number] if number < len(_MARKS) else f"{MARK}{number}~"


def form_of(marked: str) -> Form:
    """Return a text whose gaps are where its marks are."""
    parts = _PUT_BACK.split(marked)
    return Form(parts[::2], [int(number) for number in parts[1::2]])
