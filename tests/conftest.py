"""Which tests run, in which order, and what is said at the end of those that do not."""

import os
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings

from long_kit import LONG, at_length

_left: pytest.StashKey[set[str]] = pytest.StashKey()
"""The tests that this run leaves to ``make check``."""


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_left] = set()
    # Gateways that run beside each other would race for a processor; those of test_affinity.py ask for one.
    os.environ.setdefault("TIDINGS_CPU_AFFINITY", "none")
    settings.register_profile("length", settings(), max_examples=at_length(40, 100))
    settings.load_profile("length")


@pytest.hookimpl(trylast=True)  # once the order is drawn
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    long = [item for item in items if item.get_closest_marker("long")]
    short = [item for item in items if not item.get_closest_marker("long")]
    asked_for = any("::" in argument for argument in config.args)
    if LONG or asked_for:
        items[:] = spread(long, short, among=getattr(config, "workerinput", {}).get("workercount", 1))
    else:
        items[:] = short
        config.hook.pytest_deselected(items=long)
        config.stash[_left] = left = {item.nodeid for item in long}
        getattr(config, "workeroutput", {})["left"] = sorted(left)


def spread(long: Sequence[pytest.Item], short: Sequence[pytest.Item], *, among: int) -> list[pytest.Item]:
    """Order tests so that each worker begins with its share of the long ones; it is given an equal part of them all."""
    return [
        item
        for worker in range(among)
        for share in (long[worker::among], short[len(short) * worker // among : len(short) * (worker + 1) // among])
        for item in share
    ]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Take from a worker what it left; each has left the same."""
    node.config.stash[_left].update(getattr(node, "workeroutput", {}).get("left", ()))


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    left = config.stash[_left]
    if left:
        files = Counter(name.partition("::")[0] for name in left)
        terminalreporter.section("left to make check")
        for file, count in sorted(files.items()):
            terminalreporter.line(f"{count:3} long in {file}")
        terminalreporter.line(
            f"{len(left)} long tests did not run; others ran shorter. `make test LONG=1` runs it all."
        )
