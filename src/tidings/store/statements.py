"""SQL that stands in ``.sql`` files: each statement named, described, and with bound names only.

A statement opens with two comment lines, ``-- name`` and ``-- What it does.``, and ends with a semicolon
at the end of a line.

The files are found beside the modules, without ``importlib.resources``, which loads archives and temporary files too.
"""

import re
from collections.abc import Mapping
from pathlib import Path

_STATEMENT = re.compile(r"^-- (?P<name>[a-z_]+)\n(?:-- .+\n)+(?P<sql>[^-][\s\S]*?);$", re.MULTILINE)


def read_scripts(folder: Path) -> Mapping[str, str]:
    """Read the ``.sql`` files of a folder, by their names and in the order of these."""
    return {file.name: file.read_text("utf-8") for file in sorted(folder.glob("*.sql"))}


def load_statements(folder: Path) -> Mapping[str, str]:
    """Read the ``.sql`` files of a folder, by statement; raise ValueError for a name given twice."""
    found: dict[str, str] = {}
    for file, script in read_scripts(folder).items():
        for match in _STATEMENT.finditer(script):
            if match["name"] in found:
                raise ValueError(f"{folder.name}/{file}: statement {match['name']!r} is there twice")
            found[match["name"]] = match["sql"]
    return found
