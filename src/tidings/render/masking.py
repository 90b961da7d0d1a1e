"""The markup of a template with its Jinja taken out, every character left at its place."""

import re
from dataclasses import dataclass
from typing import Final

from jinja2 import Environment

from tidings.render.passage import Passage

PRINTED: Final = "\ue000"
"""Stands for each character of an expression that prints something."""

_INCLUDE: Final = re.compile(r"\{%[-+]?\s*include\s*[\"'](?P<name>[^\"']+)[\"']")


@dataclass(frozen=True, slots=True, kw_only=True)
class Masked:
    """Markup without Jinja: tags and comments are blanks, expressions are PRINTED."""

    text: str
    expressions: tuple[tuple[int, int], ...]
    """Start and end of each expression, braces included."""
    includes: tuple[tuple[int, int, str], ...]
    """Start, end and partial of each include."""


def mask(passage: Passage, environment: Environment) -> Masked:
    """Mask a passage that Jinja can parse."""
    out: list[str] = []
    expressions: list[tuple[int, int]] = []
    includes: list[tuple[int, int, str]] = []
    position, opened, tag = 0, -1, 0
    for _, kind, value in environment.lexer.tokeniter(passage.text, passage.name):
        start = passage.text.index(value, position)
        out.append(passage.text[position:start])
        position = start + len(value)
        if kind == "variable_begin":
            opened = start
        elif kind == "block_begin":
            tag = start
        out.append(value if kind == "data" else _veil(value, PRINTED if opened >= 0 else " "))
        if kind == "variable_end":
            expressions.append((opened, position))
            opened = -1
        elif kind == "block_end" and (found := _INCLUDE.match(passage.text, tag, position)):
            includes.append((tag, position, found["name"]))
    out.append(passage.text[position:])
    return Masked(text="".join(out), expressions=tuple(expressions), includes=tuple(includes))


def _veil(text: str, cover: str) -> str:
    return "".join("\n" if character == "\n" else cover for character in text)
