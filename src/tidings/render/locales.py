"""Which version of a template a reader gets."""

from collections.abc import Collection, Iterator, Sequence

from tidings.render.failure import RenderError


def normal(locale: str) -> str:
    """Return the tag in small letters with hyphens, so that ``en_GB`` and ``en-gb`` are one."""
    return locale.strip().replace("_", "-").lower()


def choose(available: Collection[str], wanted: Sequence[str], *, name: str) -> str:
    """Return the first wanted locale that is available (in its normal form), trying ``en-GB``, then ``en``."""
    for locale in wanted:
        for tag in widening(locale):
            if tag in available:
                return tag
    raise RenderError(f"the template has none of the locales {', '.join(wanted)}", file=f"templates/{name}")


def widening(locale: str) -> Iterator[str]:
    """Yield the tag in its normal form, then without its last part, and so on: ``ar-ae``, ``ar``."""
    tag = normal(locale)
    while tag:
        yield tag
        tag = tag.rpartition("-")[0]
