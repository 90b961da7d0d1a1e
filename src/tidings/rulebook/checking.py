"""Everything that is wrong with a rulebook: what keeps it from going live, and what its tests say wrongly."""

from collections.abc import Sequence

from tidings.model import Problem, Secrets, Source
from tidings.rulebook.load import compile_sources
from tidings.rulebook.testing import check_tests


def check(
    sources: Sequence[Source], *, secrets: Secrets | None = None, fixtures: Sequence[Source] = ()
) -> tuple[Problem, ...]:
    """Find every problem of a rulebook, in file order.

    Faults of the tests are among them, though they never keep a rulebook from going live.

    Args:
        sources: the rulebook's files.
        secrets: looks secrets up; without it their presence is not checked.
        fixtures: the event files that tests name.
    """
    rules, _, problems = compile_sources(sources, secrets=secrets)
    return tuple(sorted({*problems, *check_tests((*sources, *fixtures), rules)}))
