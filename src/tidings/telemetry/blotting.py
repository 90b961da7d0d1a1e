"""Takes out of texts what may be somebody's: for errors, whose words are not ours to choose.

Log fields are identifiers by rule. The text of an error, though, may quote what it could not deal with, and that may
be a name, an address or a line of a message.
"""

import re
from typing import Final

_BLOT: Final = "…"
_ADDRESS: Final = re.compile(r"[^\s@<>\"'()\[\]{},;:=]+@[^\s@<>\"'()\[\]{},;:=]+")
_QUOTED: Final = re.compile(r"(?<!\w)(?P<quote>['\"`]).*?(?P=quote)(?!\w)", re.DOTALL)
_NUMBER: Final = re.compile(r"\d[\d ()./-]{4,}\d|\d{5,}")
"""What could be a telephone number or a customer's."""


def blotted(text: str) -> str:
    """Return an error's text without what it quotes, addresses and long numbers."""
    return _NUMBER.sub(_BLOT, without_addresses(_QUOTED.sub(_BLOT, text)))


def without_addresses(text: str) -> str:
    """Return a text without e-mail addresses."""
    return _ADDRESS.sub(_BLOT, text) if "@" in text else text
