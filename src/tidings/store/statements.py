"""SQL that stands in ``.sql`` files: each statement named, described, and with bound names only.

A statement opens with two comment lines, ``-- name`` and ``-- What it does.``, and ends with a semicolon
at the end of a line.
"""

import re
from collections.abc import Mapping
from importlib import resources

_STATEMENT = re.compile(r"^-- (?P<name>[a-z_]+)\n(?:-- .+\n)+(?P<sql>[^-][\s\S]*?);$", re.MULTILINE)


def load_statements(package: str, folder: str) -> Mapping[str, str]:
    """Read the ``.sql`` files in a package's folder, by statement; raise ValueError for a name given twice."""
    found: dict[str, str] = {}
    for file in sorted(resources.files(package).joinpath(folder).iterdir(), key=lambda each: each.name):
        for match in _STATEMENT.finditer(file.read_text("utf-8")):
            if match["name"] in found:
                raise ValueError(f"{folder}/{file.name}: statement {match['name']!r} is there twice")
            found[match["name"]] = match["sql"]
    return found
