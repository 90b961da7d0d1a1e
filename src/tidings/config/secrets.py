"""Where secret references are looked up: the environment and files."""

import os
from pathlib import Path

from tidings.model import SecretRef


def read_secret(reference: SecretRef) -> str | None:
    """Return a secret's value without the newline a file ends in, or None when there is none or it is empty."""
    if reference.scheme == "env":
        return os.environ.get(reference.name) or None
    try:
        return Path(reference.name).read_text(encoding="utf-8").strip() or None
    except (OSError, UnicodeDecodeError):
        return None
