"""A problem in what somebody wrote: where it is, what is wrong, what to do."""

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file of a rulebook."""

    path: str
    """Path relative to the rulebook's folder, with forward slashes."""
    data: bytes


class Severity(StrEnum):
    """How bad a problem is; only errors keep a rulebook from going live."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Problem:
    """One finding. Sorts by place. Renders as ``file:line:column: severity[code]: message``."""

    file: str
    line: int
    """From 1."""
    column: int
    """From 1, in characters."""
    code: str
    """Stable kebab-case name, documented in rules/PROBLEMS.md."""
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR
    length: int = 1
    """How many characters the caret underlines."""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.severity.value}[{self.code}]: {self.message}"
