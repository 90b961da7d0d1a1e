"""Splits the text of an expression into tokens, as the reference implementation does."""

import json
import re
from typing import Any, Final, NamedTuple

from tidings.expressions import slips
from tidings.expressions.errors import BadToken, EmptyExpression, ExpressionTooLarge

TEXT_LIMIT: Final = 10_000
"""How many characters an expression may have."""

PATTERN: Final = re.compile(
    r"""(?P<space>[ \t\n\r]+)
      | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
      | (?P<number>-?[0-9]+)
      | (?P<sign>\[\] | \[\? | \|\| | && | <= | >= | != | == | [.*\],:@(){}\[|&<>!])
      | '(?P<raw>[^'\\]*(?:\\.[^'\\]*)*)'
      | `(?P<literal>[^`\\]*(?:\\.[^`\\]*)*)`
      | "(?P<quoted>[^"\\]*(?:\\.[^"\\]*)*)"
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """One token. ``kind`` is its sign, or one of: word, quoted, number, literal, end."""

    kind: str
    value: Any
    start: int
    end: int


def tokenize(text: str) -> list[Token]:
    """Return the tokens of the text, an ``end`` token last; raise ExpressionSyntaxError."""
    if not text:
        raise EmptyExpression("the expression is empty", hint="leave the key out if there is nothing to say")
    if len(text) > TEXT_LIMIT:
        raise ExpressionTooLarge(
            f"the expression has {len(text)} characters, more than {TEXT_LIMIT}",
            length=len(text),
            hint="split the rule into several",
        )
    tokens: list[Token] = []
    position = 0
    while position < len(text):
        found = PATTERN.match(text, position)
        if found is None:
            raise slips.bad_character(text, position)
        position = found.end()
        if found.lastgroup != "space":
            tokens.append(_token(text, found))
    tokens.append(Token("end", "", len(text), len(text)))
    return tokens


def _token(text: str, found: re.Match[str]) -> Token:
    kind, (start, end) = str(found.lastgroup), found.span()
    body = found[kind]
    match kind:
        case "sign":
            return Token(body, body, start, end)
        case "word":
            return Token(kind, body, start, end)
        case "raw":
            return Token("literal", body.replace("\\'", "'"), start, end)
        case "literal":
            return Token("literal", _literal(body.replace("\\`", "`"), start, end), start, end)
        case "quoted":
            return Token("quoted", _quoted(text[start:end], start), start, end)
        case _:
            return Token(kind, _number(body, start), start, end)


def _number(body: str, start: int) -> int:
    try:
        return int(body)
    except ValueError:
        raise BadToken("this number is too long", offset=start, length=len(body), code="number-too-long") from None


def _quoted(lexeme: str, start: int) -> str:
    try:
        return str(json.loads(lexeme))
    except ValueError as error:
        raise BadToken(
            f"this quoted name is not valid: {str(error).partition(':')[0]}",
            offset=start,
            length=len(lexeme),
            code="bad-quoted-name",
            hint=r"inside double quotes, write JSON escapes such as \" and \n",
        ) from None


def _literal(body: str, start: int, end: int) -> Any:
    try:
        return json.loads(body)
    except RecursionError:
        raise ExpressionTooLarge(
            "this literal nests too deeply", offset=start, length=end - start, code="expression-too-deep"
        ) from None
    except ValueError:
        return _elided_quotes(body, start, end)


def _elided_quotes(body: str, start: int, end: int) -> str:
    """Read a literal that is no JSON as text, as the reference still does: `01` is the text "01"."""
    try:
        return str(json.loads(f'"{body.lstrip()}"'))
    except ValueError:
        raise BadToken(
            "the text between backticks is not JSON",
            offset=start,
            length=end - start,
            code="bad-literal",
            hint="write `100`, `true`, `null` or `[1, 2]`; write text as '...'",
        ) from None
