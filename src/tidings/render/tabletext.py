"""Tables as plain text: what only arranges things vanishes, what holds data gets aligned columns."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

WIDTH: Final = 78
"""Within this mail programs show a line unbroken."""

_FIGURES: Final = re.compile(r"[^\w]*\d[\d.,:%\s\u00a0\u202f]*[^\d\s]{0,4}")
_BETWEEN: Final = " | "


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What a cell holds, and how many line breaks it asks for before and after."""

    text: str
    heading: bool = False
    before: int = 0
    after: int = 0


@dataclass(slots=True, kw_only=True)
class Table:
    """An open table."""

    layout: bool
    """Whether it says itself that it only arranges things, or holds another table."""
    rows: list[list[Cell]] = field(default_factory=list)

    def add(self, cell: Cell) -> None:
        """Add a cell to the last row."""
        if not self.rows:
            self.rows.append([])
        self.rows[-1].append(cell)

    @property
    def arranges(self) -> bool:
        """Whether it holds no data: no row of several cells, or whole paragraphs and no headings."""
        cells = [cell for row in self.rows for cell in row]
        if self.layout or all(len(row) < 2 for row in self.rows):  # noqa: PLR2004 (one cell is no row)
            return True
        return not any(cell.heading for cell in cells) and any("\n" in cell.text or cell.before for cell in cells)

    def lines(self) -> list[str]:
        """Return a line a row, columns aligned; where that is too wide, a line a cell beside its heading."""
        rows = [[" ".join(cell.text.split()) for cell in row] for row in self.rows if row]
        columns = max(map(len, rows), default=0)
        widths = [max((width(row[at]) for row in rows if at < len(row)), default=0) for at in range(columns)]
        if sum(widths) + len(_BETWEEN) * (columns - 1) <= WIDTH:
            figures = [self._is_figures(at) for at in range(columns)]
            return [_aligned(row, widths, figures) for row in rows]
        headed = bool(self.rows[0]) and all(cell.heading for cell in self.rows[0])
        if not headed:
            return [_BETWEEN.join(row) for row in rows]
        return [line for row in rows[1:] for line in (*_listed(rows[0], row), "")][:-1]

    def _is_figures(self, at: int) -> bool:
        below = [row[at].text for row in self.rows if at < len(row) and not row[at].heading]
        return bool(below) and all(_FIGURES.fullmatch(text.strip()) for text in below if text.strip())


def width(text: str) -> int:
    """Return how many columns a text takes: wide characters two, accents that join none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def _aligned(row: Sequence[str], widths: Sequence[int], figures: Sequence[bool]) -> str:
    padded = []
    for text, most, right in zip(row, widths, figures, strict=False):
        blanks = " " * (most - width(text))
        padded.append(blanks + text if right else text + blanks)
    return _BETWEEN.join(padded).rstrip()


def _listed(headings: Sequence[str], row: Sequence[str]) -> list[str]:
    names = [*headings, *[""] * len(row)]
    return [f"{name}: {text}" if name else text for name, text in zip(names, row, strict=False) if text]
