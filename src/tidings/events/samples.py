"""Published payloads of every event, with personal values made up: for documentation, demos and tests."""

import json
import re
from functools import cache
from importlib.resources import files
from typing import Any, Final

from tidings.events.catalog import catalog

_FILE: Final = re.compile(r"(?P<name>.+)\.(?P<number>\d+)\.json")


def sample(name: str) -> dict[str, Any]:
    """Return a payload of the event, as its publisher sends it; raise KeyError for a name no catalog knows."""
    return samples(name)[0]


def samples(name: str) -> tuple[dict[str, Any], ...]:
    """Return every payload known of the event, each in the envelope it was published in; raise KeyError as `sample`."""
    known = catalog().find(name)
    if known is None:
        raise KeyError(name)
    folder = files(__package__) / "samples"
    return tuple(json.loads((folder / file).read_text(encoding="utf-8")) for file in _files()[known.name])


@cache
def _files() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for entry in (files(__package__) / "samples").iterdir():
        if match := _FILE.fullmatch(entry.name):
            found.setdefault(match["name"], []).append((int(match["number"]), entry.name))
    return {name: tuple(file for _, file in sorted(numbered)) for name, numbered in found.items()}
