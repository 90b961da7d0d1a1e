"""Pages as AIP-158 has them: a size that may be left out, and is bounded."""

from typing import Final

from tidings.errors import FieldViolation, InvalidRequest

MAX_PAGE: Final = 1_000
DEFAULT_PAGE: Final = 50


def page_size_of(asked: int) -> int:
    """Return how many rows a page has: the default for 0, never more than the largest; raise for less than 0."""
    if asked < 0:
        raise InvalidRequest([FieldViolation(field="page_size", description=f"must not be negative, got {asked}")])
    return min(asked or DEFAULT_PAGE, MAX_PAGE)
