"""Finds what is wrong with an expression before any event comes: the types of its paths are known.

Silent where nothing is known: below open structures, and in events without a message of their own. A field that
may be absent is no finding: it makes an ordering null and a condition false.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from tidings.events.catalog import catalog
from tidings.expressions import findings as words
from tidings.expressions.calls import check_call, result_type
from tidings.expressions.expression import Expression
from tidings.expressions.findings import Finding
from tidings.expressions.nodes import Kind, Node
from tidings.expressions.signatures import SIGNATURES
from tidings.expressions.typed import data_field
from tidings.expressions.types import (
    BOOLEANS,
    FALSY,
    NULL,
    UNKNOWN,
    Type,
    digest_type,
    event_type,
    field_type,
    of_kinds,
    union,
)
from tidings.expressions.values import ORDER
from tidings.model import Severity

Role = Literal["condition", "value"]
"""A condition decides by being ``true``; a value is used for what it is."""

ORDERABLE: Final = frozenset({"number", "string"})
TEXT: Final = frozenset({"string"})
NUMBER: Final = frozenset({"number"})


def analyse(
    expression: Expression,
    events: Descriptor | FieldDescriptor | Sequence[Descriptor | FieldDescriptor],
    *,
    role: Role = "condition",
    gathered: bool = False,
) -> tuple[Finding, ...]:
    """Return what is wrong with the expression on these events, in the order of its text.

    What is wrong on some of several events only is a warning that names them. Without any event, only what is
    wrong on every value is found. ``gathered``: it is read on a digest, which has ``events`` and ``more``, too.
    """
    descriptors = [events] if isinstance(events, Descriptor | FieldDescriptor) else list(events)
    fields = [data_field(each) for each in descriptors]
    found = [(_event_name(each), _Analysis(expression, each, role, gathered=gathered).run()) for each in fields]
    if not found:
        return tuple(_Analysis(expression, None, role).run())
    return _merged(found)


def _event_name(field: FieldDescriptor) -> str:
    event = catalog().by_field(field.name)
    return event.name if event else field.name


def _merged(found: list[tuple[str, list[Finding]]]) -> tuple[Finding, ...]:
    names: dict[tuple[str, int, int], list[str]] = {}
    first: dict[tuple[str, int, int], Finding] = {}
    for name, findings in found:
        for finding in findings:
            key = (finding.code, finding.offset, finding.length)
            names.setdefault(key, []).append(name)
            first.setdefault(key, finding)
    merged = (each if len(names[key]) == len(found) else _partial(each, names[key]) for key, each in first.items())
    return tuple(sorted(merged, key=lambda each: (each.offset, each.length, each.code)))


def _partial(finding: Finding, names: list[str]) -> Finding:
    message = f"{finding.message} (on {', '.join(names)} only)"
    return replace(finding, message=message, severity=Severity.WARNING)


class _Analysis:
    """One walk over the tree, with the types of one event."""

    def __init__(
        self, expression: Expression, field: FieldDescriptor | None, role: Role, *, gathered: bool = False
    ) -> None:
        self._text = expression.text
        self._tree = expression.root
        self._role = role
        self._event = _event_name(field) if field else "the event"
        self._root = UNKNOWN if field is None else digest_type(field) if gathered else event_type(field)
        self._found: list[Finding] = []

    def run(self) -> list[Finding]:
        result = self._visit(self._tree, self._root)
        broken = any(each.severity is Severity.ERROR for each in self._found)
        if self._role == "condition" and not broken:
            self._judge_condition(result)
        return self._found

    def _judge_condition(self, result: Type) -> None:
        if "true" in result.kinds:
            return
        part, result = self._untrue(self._tree, result)
        hint = "compare it with something: == != < <= > >=" if result.present - BOOLEANS else ""
        self._report("condition-never-true", part, f"this gives {result}, so the condition is never true", hint)

    def _untrue(self, part: Node, result: Type) -> tuple[Node, Type]:
        """Return the last part of a conjunction, as that is what it gives, with its type."""
        while part.kind is Kind.AND:
            part = part.children[-1]
            known = len(self._found)
            result = self._visit(part, self._root)
            del self._found[known:]
        return part, result

    def _report(self, code: str, node: Node, message: str, hint: str = "", *, warning: bool = False) -> None:
        severity = Severity.WARNING if warning else Severity.ERROR
        self._found.append(
            Finding(code=code, offset=node.offset, length=node.length, message=message, hint=hint, severity=severity)
        )

    # The walk: the type of a part on a current value of some type.

    def _visit(self, node: Node, current: Type) -> Type:
        method: Callable[[Node, Type], Type] = getattr(self, f"_{node.kind.value}")
        return method(node, current)

    def _field(self, node: Node, current: Type, before: Node | None = None) -> Type:
        if "object" not in current.kinds:
            if current.present:
                self._found.append(words.field_of(node, current, before))
            return UNKNOWN
        if current.fields is None:
            return UNKNOWN
        known = current.fields.get(node.value)
        if known is None:
            self._found.append(words.unknown_field(node, current, self._root, self._event))
            return UNKNOWN
        return field_type(known, f"{current.path}.{node.value}" if current.path else str(node.value))

    def _current(self, node: Node, current: Type) -> Type:
        del node
        return current

    _identity = _current

    def _literal(self, node: Node, current: Type) -> Type:
        del current
        if isinstance(node.value, bool):
            return of_kinds(str(node.value).lower())
        kinds = {int: "number", float: "number", str: "string", list: "array", dict: "object"}
        return of_kinds(kinds.get(type(node.value), "null"))

    def _chain(self, node: Node, current: Type) -> Type:
        before: Node | None = None
        for child in node.children:
            is_field = child.kind is Kind.FIELD
            current = self._field(child, current, before) if is_field else self._visit(child, current)
            before = child
        return current

    def _pipe(self, node: Node, current: Type) -> Type:
        before: Node | None = None
        for child in node.children:
            if before is not None and before.kind in (Kind.COMPARE, Kind.AND, Kind.OR) and current.only(BOOLEANS):
                field = next((each for each in child.walk() if each.kind is Kind.FIELD), None)
                if field is not None:
                    self._found.append(words.field_of(field, current, before))
                    return UNKNOWN
            current = self._visit(child, current)
            before = child
        return current

    def _index(self, node: Node, current: Type) -> Type:
        if not self._is_list(node, current):
            return UNKNOWN
        return (current.element or UNKNOWN).or_null()

    def _slice(self, node: Node, current: Type) -> Type:
        if node.value[2] == 0:
            self._report("slice-step-zero", node, "a slice cannot go in steps of 0")
        return current if self._is_list(node, current) else UNKNOWN

    def _is_list(self, node: Node, current: Type) -> bool:
        if "array" not in current.kinds and current.present:
            self._found.append(words.element_of(node, current))
        return "array" in current.kinds

    # Conditions.

    def _and(self, node: Node, current: Type) -> Type:
        *early, last = [self._condition(child, current) for child in node.children]
        result = last
        for each in early:
            result = union(result, Type(kinds=each.kinds & FALSY))
        never = any(each.kinds <= {"false", "null"} for each in early)
        return Type(kinds=result.kinds - {"true"}) if never else result

    def _or(self, node: Node, current: Type) -> Type:
        types = [self._condition(child, current) for child in node.children]
        result = types[0]
        for each in types[1:]:
            early = result.kinds if result.kinds <= {"false", "null"} else result.kinds - NULL
            result = union(replace(result, kinds=early), each)
        return result

    def _condition(self, child: Node, current: Type) -> Type:
        constant = child.kind is Kind.LITERAL and child.value is not None and child.value.__class__ is not bool
        if constant and self._role == "condition":
            hint = "compare on both sides: a == 'x' || a == 'y'"
            self._report("constant-condition", child, "this alone is always the same", hint, warning=True)
        return self._visit(child, current)

    def _not(self, node: Node, current: Type) -> Type:
        self._visit(node.children[0], current)
        return Type(kinds=BOOLEANS)

    def _compare(self, node: Node, current: Type) -> Type:
        left, right = (self._operand(child, current) for child in node.children)
        if node.value in ORDER:
            return self._ordering(node, left, right)
        if left.kinds & right.kinds:
            if left.present & right.present or not left.present or not right.present:
                return Type(kinds=BOOLEANS)
            self._report(
                "equal-only-when-absent", node, f"{left} equals {right} only where both are absent", warning=True
            )
            return Type(kinds=BOOLEANS)
        self._found.append(words.never_equal(node, left, right, self._text))
        return of_kinds("false" if node.value == "==" else "true")

    def _ordering(self, node: Node, left: Type, right: Type) -> Type:
        for side in (left, right):
            if not side.kinds & ORDERABLE:
                self._found.append(words.never_ordered(node, side))
                return of_kinds("null")
        sides = (left.present, right.present)
        if sides in ((TEXT, NUMBER), (NUMBER, TEXT)):
            self._found.append(words.text_against_number(node, self._text))
            return of_kinds("null")
        nullable = not (left.kinds <= ORDERABLE and right.kinds <= ORDERABLE)
        return Type(kinds=BOOLEANS | (NULL if nullable else frozenset()))

    def _operand(self, node: Node, current: Type) -> Type:
        """Visit a side of a comparison or an argument: an unknown word there is mostly text without quotes."""
        if node.kind is not Kind.FIELD or current.fields is None or node.value in current.fields:
            return self._visit(node, current)
        spelt = words.unknown_field(node, current, self._root, self._event)
        quoted = self._text[node.offset] == '"'
        self._found.append(spelt if spelt.hint and not quoted else words.bare_word(node, self._text, self._event))
        return UNKNOWN

    # Lists and objects.

    def _flatten(self, node: Node, current: Type) -> Type:
        base = self._visit(node.children[0], current)
        if not self._is_list(node, base):
            return UNKNOWN
        element = base.element
        if element is not None and "array" in element.kinds:
            element = element.element if element.only({"array"}) else None
        return replace(base, element=element)

    def _projection(self, node: Node, current: Type) -> Type:
        base = self._visit(node.children[0], current)
        flat = node.children[0].kind is Kind.FLATTEN
        if not flat and not self._is_list(node, base):
            return UNKNOWN
        return self._projected(node.children[1], base)

    def _filter(self, node: Node, current: Type) -> Type:
        base = self._visit(node.children[0], current)
        if not self._is_list(node, base):
            return UNKNOWN
        self._condition(node.children[2], base.element or UNKNOWN)
        return self._projected(node.children[1], base)

    def _projected(self, each: Node, base: Type) -> Type:
        result = self._visit(each, base.element or UNKNOWN)
        element = None if result is UNKNOWN else replace(result, kinds=result.present)
        path = base.path if each.kind is Kind.IDENTITY else ""
        return Type(kinds=frozenset({"array"}) | (base.kinds & NULL), element=element, path=path)

    def _values(self, node: Node, current: Type) -> Type:
        base = self._visit(node.children[0], current)
        if "object" not in base.kinds and base.present:
            hint = "write [*] for the elements of a list" if base.only({"array"}) else ""
            self._report("values-of-no-object", node, f".* reads the fields of an object, not of {base}", hint)
        self._visit(node.children[1], UNKNOWN)
        return of_kinds("array", "null")

    def _list(self, node: Node, current: Type) -> Type:
        for child in node.children:
            self._visit(child, current)
        return Type(kinds=frozenset({"array"}) | (current.kinds & NULL))

    def _hash(self, node: Node, current: Type) -> Type:
        fields = {str(child.value): self._visit(child, current) for child in node.children}
        return Type(kinds=frozenset({"object"}) | (current.kinds & NULL), fields=fields)

    def _pair(self, node: Node, current: Type) -> Type:
        return self._visit(node.children[0], current)

    # Functions.

    def _reference(self, node: Node, current: Type) -> Type:
        return Type(kinds=frozenset({"expref"}), element=self._visit(node.children[0], current))

    def _call(self, node: Node, current: Type) -> Type:
        arguments = [self._operand(child, current) for child in node.children if child.kind is not Kind.REFERENCE]
        listed = next((each.element for each in arguments if each.element), UNKNOWN)
        references = [self._visit(child, listed) for child in node.children if child.kind is Kind.REFERENCE]
        plain, special = iter(arguments), iter(references)
        types = [next(special if child.kind is Kind.REFERENCE else plain) for child in node.children]
        self._found.extend(check_call(node, types))
        signature = SIGNATURES.get(node.value)
        return result_type(node.value, types) if signature and signature.accepts(len(types)) else UNKNOWN
