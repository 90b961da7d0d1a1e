"""Recognises the classic slips of people who write expressions, and says what they meant.

Purely about wording: which code, which characters to underline, which hint. Whether something is an error at
all is decided by the lexer and the parser.
"""

import re
from typing import Final, NamedTuple

from tidings.expressions.errors import BadToken, ExpressionSyntaxError

WORD_OPERATORS: Final = {"and": "&&", "or": "||", "not": "!", "is": "==", "in": "contains(list, value)"}
NUMBER: Final = re.compile(r"-?[0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
EQUALS: Final = re.compile(r"=[<>]|=+")
ARITHMETIC: Final = "+-/%^"
TYPOGRAPHIC: Final = "\u201c\u201d\u201e\u2018\u2019\u00b4"
"""Quotes as word processors write them."""
UNCLOSED: Final = {
    "'": ("unclosed-text", "this text has no closing quote", "end it with '; write a quote inside it as \\'"),
    '"': ("unclosed-name", "this quoted name has no closing quote", "end it with \"; text is written as '...'"),
    "`": ("unclosed-literal", "this literal has no closing backtick", "end it with `"),
}


class Slip(NamedTuple):
    """What somebody wrote instead of what they meant."""

    code: str
    message: str
    hint: str
    length: int


def bad_character(text: str, offset: int) -> BadToken:
    """Return the error for a place where no token begins."""
    slip = _bad_character(text, offset)
    return BadToken(slip.message, offset=offset, length=slip.length, code=slip.code, hint=slip.hint)


def _bad_character(text: str, offset: int) -> Slip:
    character = text[offset]
    if character in UNCLOSED:
        code, message, hint = UNCLOSED[character]
        return Slip(code, message, hint, len(text) - offset)
    if character == "=":
        return _equals(text, offset)
    if character in ARITHMETIC:
        return _arithmetic(text, offset)
    if character in TYPOGRAPHIC:
        return Slip("typographic-quote", f"{character} is a typographic quote", "write text as '...'", 1)
    if character == "$":
        return Slip("unknown-character", "$ means nothing here", "a path begins with a field, such as data.name", 1)
    return Slip("unknown-character", f"{character!r} means nothing here", "write text as '...'", 1)


def _equals(text: str, offset: int) -> Slip:
    found = EQUALS.match(text, offset)
    written = found[0] if found else "="
    if written in ("=>", "=<"):
        return Slip("single-equals", f"{written} is no operator", f"write {written[1]}=", 2)
    return Slip("single-equals", "= does not compare", "write == to compare", 1)


def _arithmetic(text: str, offset: int) -> Slip:
    character = text[offset]
    if character == "-" and offset and (text[offset - 1].isalnum() or text[offset - 1] == "_"):
        hint = 'a name with a hyphen is written in double quotes, such as "first-name"'
    else:
        hint = "there is no arithmetic in expressions; compare fields with literals, such as a > `10`"
    return Slip("no-arithmetic", f"{character} is no operator", hint, 1)


class Place(NamedTuple):
    """The token an error is about, and the one before it (or empty text at the start)."""

    kind: str
    written: str
    start: int
    end: int
    before: str


def unexpected(text: str, place: Place) -> ExpressionSyntaxError:
    """Return the error for a token that cannot stand where it does."""
    slip = _slip(text, place) or Slip(
        "unexpected-token", f"did not expect {place.written!r} here", "", place.end - place.start
    )
    return ExpressionSyntaxError(slip.message, offset=place.start, length=slip.length, code=slip.code, hint=slip.hint)


def _slip(text: str, place: Place) -> Slip | None:
    length = place.end - place.start
    if place.kind == "number":
        return _bare_number(text, place)
    if place.kind == "word" and place.written.lower() in WORD_OPERATORS:
        meant = WORD_OPERATORS[place.written.lower()]
        return Slip("word-operator", f"{place.written!r} is no operator", f"write {meant}", length)
    if place.before.lower() == "not":
        return Slip("word-operator", "'not' is no operator", "write ! before what is negated", length)
    if (place.before, place.written) == ("<", ">"):
        return Slip("unequal-sign", "<> is no operator", "write !=", length)
    return SIGN_SLIPS[place.kind]._replace(length=length) if place.kind in SIGN_SLIPS else None


SIGN_SLIPS: Final = {
    "&": Slip("single-ampersand", "& does not combine conditions", "write &&", 1),
    "*": Slip("unexpected-token", "did not expect '*' here", "there is no arithmetic in expressions", 1),
    "literal": Slip("unexpected-token", "did not expect a literal here", "put an operator before it", 1),
}


def _bare_number(text: str, place: Place) -> Slip:
    found = NUMBER.match(text, place.start)
    written = found[0] if found else place.written
    if place.before == ".":
        return Slip(
            "number-after-dot", "an element is not read with a dot", f"write [{written}] without the dot", len(written)
        )
    return Slip(
        "number-without-backticks", f"the number {written} lacks its backticks", f"write `{written}`", len(written)
    )
