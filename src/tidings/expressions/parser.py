"""Reads an expression into its tree: top-down operator precedence, as in the reference implementation.

It accepts exactly what the reference accepts, including its leniencies: arguments may lack their commas, and so
may the pairs of a hash. Unlike the reference it bounds nesting, and every node knows its characters.
Chains of one operator become one node of many children, so that a long condition is not a deep one.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NoReturn

from tidings.expressions import slips
from tidings.expressions.errors import ExpressionSyntaxError, ExpressionTooLarge, IncompleteExpression
from tidings.expressions.nodes import Kind, Node
from tidings.expressions.tokens import Token, tokenize

DEPTH_LIMIT: Final = 100
"""How many levels of parentheses and parts an expression may nest."""

POWER: Final = {
    "end": 0, "word": 0, "quoted": 0, "literal": 0, "]": 0, ")": 0, ",": 0, "}": 0, "number": 0, "@": 0, "&": 0,
    ":": 0, "|": 1, "||": 2, "&&": 3, "==": 5, ">": 5, "<": 5, ">=": 5, "<=": 5, "!=": 5, "[]": 9,
    "*": 20, "[?": 21, ".": 40, "!": 45, "{": 50, "[": 55, "(": 60,
}  # fmt: skip
TIGHTER: Final = frozenset({"(", "[", "{", "!"})
"""What binds tighter than a dot."""
PROJECTION_STOP: Final = 10
COMPARATORS: Final = frozenset({"==", "!=", "<", "<=", ">", ">="})
INDEXED: Final = "indexed"
"""The value of a chain that ends in an index written right behind it."""
CHAINED: Final = {"|": Kind.PIPE, "||": Kind.OR, "&&": Kind.AND}


def parse(text: str) -> Node:
    """Return the tree of the text; raise ExpressionSyntaxError."""
    return _Parser(text).parse()


def _is_indexed(node: Node) -> bool:
    return node.kind is Kind.INDEX or (node.kind is Kind.CHAIN and node.value == INDEXED)


class _Parser:
    """One reading of one text."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = tokenize(text)
        self._index = 0
        self._level = 0

    def parse(self) -> Node:
        root = self._expression(0)
        if self._kind() != "end":
            self._refuse()
        return root

    # Moving over the tokens.

    def _kind(self, ahead: int = 0) -> str:
        return self._tokens[self._index + ahead].kind

    def _advance(self) -> Token:
        token = self._tokens[self._index]
        self._index += 1
        return token

    def _expect(self, *kinds: str) -> Token:
        if self._kind() not in kinds:
            self._refuse(expected=kinds[0])
        return self._advance()

    def _refuse(self, *, back: int = 0, expected: str = "") -> NoReturn:
        index = self._index - back
        token = self._tokens[index]
        if token.kind == "end":
            raise self._ends_early(token, expected)
        before = self._tokens[index - 1] if index else None
        written = self._text[token.start : token.end]
        raise slips.unexpected(
            self._text,
            slips.Place(
                token.kind, written, token.start, token.end, self._text[before.start : before.end] if before else ""
            ),
        )

    def _ends_early(self, token: Token, expected: str) -> ExpressionSyntaxError:
        hint = f"{expected} is missing" if expected in (")", "]", "}") else ""
        if not hint and self._index and self._tokens[self._index - 1].value == "not":
            hint = "write ! before what is negated"
        return IncompleteExpression("the expression ends too early", offset=token.start, length=0, hint=hint)

    # Making nodes: a node ends where the last token that was read ends.

    def _node(self, kind: Kind, start: int, *children: Node, value: Any = None) -> Node:
        depth = 1
        for child in children:
            if child.depth >= depth:
                depth = child.depth + 1
        end = self._tokens[self._index - 1].end
        if depth > DEPTH_LIMIT:
            self._too_deep(start, end)
        return Node(kind, start, end - start, value, children, depth)

    def _nothing(self, start: int) -> Node:
        return Node(Kind.IDENTITY, start, 0)

    def _chain(self, kind: Kind, left: Node, right: Node, *, value: Any = None) -> Node:
        if left.kind is Kind.IDENTITY:
            return right
        before = left.children if left.kind is kind else (left,)
        after = right.children if right.kind is kind else (right,)
        return self._node(kind, left.offset, *before, *after, value=value)

    def _too_deep(self, start: int, end: int) -> NoReturn:
        raise ExpressionTooLarge(
            f"the expression nests deeper than {DEPTH_LIMIT} levels",
            offset=start,
            length=end - start,
            code="expression-too-deep",
            hint="take parentheses away, or split the rule into several",
        )

    # Precedence.

    def _expression(self, power: int) -> Node:
        token = self._tokens[self._index]
        self._level += 1
        if self._level > DEPTH_LIMIT:
            self._too_deep(token.start, token.end)
        prefix = self._PREFIX.get(token.kind)
        if prefix is None:
            self._refuse()
        self._index += 1
        left = prefix(self, token)
        while power < POWER[self._kind()]:
            left = self._infix(left)
        self._level -= 1
        return left

    def _infix(self, left: Node) -> Node:
        kind = self._kind()
        self._index += 1
        if kind in CHAINED:
            return self._chain(CHAINED[kind], left, self._expression(POWER[kind]))
        if kind in COMPARATORS:
            right = self._expression(POWER[kind])
            return self._node(Kind.COMPARE, left.offset, left, right, value=kind)
        suffix = self._SUFFIX.get(kind)
        if suffix is None:
            self._refuse(back=1)
        return suffix(self, left)

    # What an expression begins with.

    def _literal(self, token: Token) -> Node:
        return self._node(Kind.LITERAL, token.start, value=token.value)

    def _word(self, token: Token) -> Node:
        return self._node(Kind.FIELD, token.start, value=token.value)

    def _current(self, token: Token) -> Node:
        return self._node(Kind.CURRENT, token.start)

    def _leading_filter(self, token: Token) -> Node:
        return self._filter(self._nothing(token.start))

    def _leading_flatten(self, token: Token) -> Node:
        return self._flatten(self._nothing(token.start))

    def _leading_hash(self, token: Token) -> Node:
        return self._hash(token.start)

    def _quoted(self, token: Token) -> Node:
        if self._kind() == "(":
            raise ExpressionSyntaxError(
                "a function's name is not quoted",
                offset=token.start,
                length=token.end - token.start,
                code="quoted-function",
                hint=f"write {token.value}(...)",
            )
        return self._node(Kind.FIELD, token.start, value=token.value)

    def _star(self, token: Token) -> Node:
        left = self._nothing(token.start)
        right = self._nothing(token.end) if self._kind() == "]" else self._projected(POWER["*"])
        return self._node(Kind.VALUES, token.start, left, right)

    def _parenthesis(self, token: Token) -> Node:
        del token
        inner = self._expression(0)
        self._expect(")")
        return inner

    def _not(self, token: Token) -> Node:
        return self._node(Kind.NOT, token.start, self._expression(POWER["!"]))

    def _reference(self, token: Token) -> Node:
        return self._node(Kind.REFERENCE, token.start, self._expression(POWER["&"]))

    def _bracket(self, token: Token) -> Node:
        if self._kind() in ("number", ":"):
            return self._element(self._nothing(token.start), token.start)
        if self._kind() == "*" and self._kind(1) == "]":
            self._index += 2
            left = self._nothing(token.start)
            return self._node(Kind.PROJECTION, token.start, left, self._projected(POWER["*"]))
        return self._list(token.start)

    # What an expression continues with; the sign has been read.

    def _dot(self, left: Node) -> Node:
        fields = self._plain_fields()
        if fields:
            return self._node(
                Kind.CHAIN, left.offset, *(left.children if left.kind is Kind.CHAIN else (left,)), *fields
            )
        if self._kind() != "*":
            return self._chain(Kind.CHAIN, left, self._after_dot(POWER["."]))
        self._index += 1
        return self._node(Kind.VALUES, left.offset, left, self._projected(POWER["."]))

    def _plain_fields(self) -> list[Node]:
        """Read names and dots as far as they go, without the detour over precedence: most of all there is."""
        fields: list[Node] = []
        while self._kind() == "word" and self._kind(1) not in TIGHTER:
            token = self._tokens[self._index]
            fields.append(Node(Kind.FIELD, token.start, token.end - token.start, token.value))
            self._index += 1
            if self._kind() != "." or self._kind(1) != "word" or self._kind(2) in TIGHTER:
                break
            self._index += 1
        return fields

    def _call(self, left: Node) -> Node:
        if left.kind is not Kind.FIELD:
            self._refuse(back=2)
        arguments: list[Node] = []
        while self._kind() != ")":
            arguments.append(self._expression(0))
            if self._kind() == ",":
                self._index += 1
        self._index += 1
        return self._node(Kind.CALL, left.offset, *arguments, value=left.value)

    def _filter(self, left: Node) -> Node:
        condition = self._expression(0)
        closing = self._expect("]")
        right = self._nothing(closing.end) if self._kind() == "[]" else self._projected(POWER["[?"])
        return self._node(Kind.FILTER, left.offset, left, right, condition)

    def _flatten(self, left: Node) -> Node:
        flat = self._node(Kind.FLATTEN, left.offset, left)
        return self._node(Kind.PROJECTION, left.offset, flat, self._projected(POWER["[]"]))

    def _subscript(self, left: Node) -> Node:
        if self._kind() in ("number", ":"):
            return self._element(left, self._tokens[self._index - 1].start)
        self._expect("*")
        self._expect("]")
        return self._node(Kind.PROJECTION, left.offset, left, self._projected(POWER["*"]))

    def _element(self, left: Node, start: int) -> Node:
        if ":" in (self._kind(), self._kind(1)):
            parts = self._slice_parts()
            part = self._node(Kind.SLICE, start, value=parts)
            if _is_indexed(left):  # the reference projects no slice that follows an index: a[0][:2]
                return self._chain(Kind.CHAIN, left, part, value=INDEXED)
            sliced = self._chain(Kind.CHAIN, left, part)
            return self._node(Kind.PROJECTION, left.offset, sliced, self._projected(POWER["*"]))
        number = self._advance()
        self._expect("]")
        return self._chain(Kind.CHAIN, left, self._node(Kind.INDEX, start, value=number.value), value=INDEXED)

    def _slice_parts(self) -> tuple[int | None, ...]:
        parts: list[int | None] = [None, None, None]
        part = 0
        while self._kind() != "]":
            if self._kind() == ":" and part < 2:  # noqa: PLR2004 - a slice has two colons
                part += 1
            elif self._kind() == "number":
                parts[part] = self._tokens[self._index].value
            else:
                self._refuse_slice()
            self._index += 1
        self._index += 1
        return tuple(parts)

    def _refuse_slice(self) -> NoReturn:
        token = self._tokens[self._index]
        raise ExpressionSyntaxError(
            "this slice cannot be read",
            offset=token.start,
            length=max(token.end - token.start, 1),
            code="bad-slice",
            hint="write [start:stop] or [start:stop:step]",
        )

    # Pieces.

    def _list(self, start: int) -> Node:
        items = [self._expression(0)]
        while self._kind() != "]":
            self._expect(",", "]")
            items.append(self._expression(0))
        self._index += 1
        return self._node(Kind.LIST, start, *items)

    def _hash(self, start: int) -> Node:
        pairs: list[Node] = []
        while True:
            key = self._expect("word", "quoted")
            self._expect(":")
            pairs.append(self._node(Kind.PAIR, key.start, self._expression(0), value=key.value))
            if self._kind() == ",":
                self._index += 1
            elif self._kind() == "}":
                self._index += 1
                return self._node(Kind.HASH, start, *pairs)

    def _projected(self, power: int) -> Node:
        """Read what a projection applies to each of its elements, if anything."""
        kind = self._kind()
        if POWER[kind] < PROJECTION_STOP:
            return self._nothing(self._tokens[self._index - 1].end)
        if kind in ("[", "[?"):
            return self._expression(power)
        if kind != ".":
            self._refuse()
        self._index += 1
        return self._after_dot(power)

    def _after_dot(self, power: int) -> Node:
        kind = self._kind()
        if kind in ("word", "quoted", "*"):
            return self._expression(power)
        if kind not in ("[", "{"):
            self._refuse_after_dot()
        start = self._advance().start
        return self._list(start) if kind == "[" else self._hash(start)

    def _refuse_after_dot(self) -> NoReturn:
        token = self._tokens[self._index]
        if token.kind == "end":  # the reference calls this a parse error, not an incomplete expression
            raise ExpressionSyntaxError(
                "the expression ends after a dot", offset=token.start, length=0, hint="name a field after the dot"
            )
        self._refuse()

    # What to do at a token. Of functions, not of bound methods: a parser that held those would hold itself, and
    # wait for the collector.

    _PREFIX: ClassVar[Mapping[str, Callable[["_Parser", Token], Node]]] = {
        "literal": _literal,
        "word": _word,
        "quoted": _quoted,
        "@": _current,
        "*": _star,
        "[?": _leading_filter,
        "{": _leading_hash,
        "(": _parenthesis,
        "[]": _leading_flatten,
        "!": _not,
        "[": _bracket,
        "&": _reference,
    }
    _SUFFIX: ClassVar[Mapping[str, Callable[["_Parser", Node], Node]]] = {
        ".": _dot,
        "(": _call,
        "[?": _filter,
        "[]": _flatten,
        "[": _subscript,
    }
