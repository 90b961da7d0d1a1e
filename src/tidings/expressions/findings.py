"""What the checker says of an expression, and how it is worded."""

from dataclasses import dataclass

from tidings.expressions.nearest import elsewhere, nearest
from tidings.expressions.nodes import Kind, Node
from tidings.expressions.types import BOOLEANS, Type
from tidings.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing wrong with an expression that can be read. ``offset`` and ``length`` are characters of its text."""

    code: str
    """Stable and kebab-case."""
    offset: int
    length: int
    message: str
    hint: str = ""
    severity: Severity = Severity.ERROR


def unknown_field(node: Node, owner: Type, root: Type, event: str) -> Finding:
    """Return the finding of a field that its owner does not have."""
    name = str(node.value)
    written = f"{owner.path}.{name}" if owner.path else name
    meant = nearest(name, owner.fields or ())
    place = None if meant else elsewhere(name, root)
    if meant:
        hint = f"did you mean {owner.path + '.' if owner.path else ''}{meant}?"
    else:
        hint = f"did you mean {place}?" if place else ""
    return _at(node, "unknown-field", f"{event} has no field {written}", hint)


def bare_word(node: Node, text: str, event: str) -> Finding:
    """Return the finding of a word that stands where a literal was meant."""
    name = str(node.value)
    if text[node.offset] == '"':
        literal = f"`{name}`" if _is_number(name) else f"'{name}'"
        message = f"double quotes name a field, and {event} has no field {name!r}"
        return _at(node, "double-quoted-text", message, f"write {literal}")
    if name in ("true", "false", "null", "True", "False", "None"):
        literal = {"none": "null"}.get(name.lower(), name.lower())
        return _at(node, "bare-literal", f"{name} names a field here", f"write `{literal}`")
    message = f"{name} names a field, and {event} has none of that name"
    return _at(node, "bare-word", message, f"text is written in quotes: '{name}'")


def field_of(node: Node, owner: Type, before: Node | None) -> Finding:
    """Return the finding of a field read from what has no fields."""
    where = owner.path or "this"
    if owner.only({"array"}):
        all_of_them = f"{owner.path}[*].{node.value}"
        hint = f"write {all_of_them} for all of them, or {owner.path}[0].{node.value}" if owner.path else ""
        return _at(node, "field-of-list", f"{where} is a list and has no field {node.value}", hint)
    hint = ""
    if before is not None and before.kind is Kind.NOT:
        hint = "! binds tighter than a dot; write !(...)"
    elif before is not None and before.kind in (Kind.COMPARE, Kind.AND, Kind.OR):
        hint = "| passes on what is left of it; write || for or"
    return _at(node, "field-of-scalar", f"{where} is {owner} and has no field {node.value}", hint)


def element_of(node: Node, owner: Type) -> Finding:
    """Return the finding of an element read from what is no list."""
    where = f"{owner.path} is" if owner.path else "this is"
    if owner.only({"object"}):
        return _at(node, "index-into-object", f"{where} an object, not a list", "read a field with a dot")
    return _at(node, "index-into-scalar", f"{where} {owner}, not a list", "")


def text_against_number(node: Node, text: str) -> Finding:
    """Return the finding of an ordering that fails on every event."""
    hint = "to_number(...) makes a number of text"
    for side in node.children:
        if side.kind is Kind.LITERAL and isinstance(side.value, str):
            hint = _number_meant(side, text)
    return _at(node, "text-against-number", "text cannot be ordered against a number", hint)


def _number_meant(side: Node, text: str) -> str:
    if not _is_number(side.value):
        return "compare with a number, such as `10`"
    written = _unpadded(side.value)
    leading = f"{text[side.offset : side.end]} is text: numbers have no leading zeros; "
    return f"{leading if text[side.offset] == '`' else ''}write `{written}`"


def never_equal(node: Node, left: Type, right: Type, text: str) -> Finding:
    """Return the finding of an equality between types that have no value in common."""
    message = f"{left} never equals {right}"
    if node.value == "!=":
        return _at(node, "always-unequal", f"{message}, so this is always true", "", Severity.WARNING)
    hints = [_literal_meant(node.children[0], right, text), _literal_meant(node.children[1], left, text)]
    return _at(node, "never-equal", message, next(filter(None, hints), ""))


def _literal_meant(side: Node, other: Type, text: str) -> str:
    """Say how a literal would be written to equal a value of the other side's type, if it is that near."""
    if side.kind is not Kind.LITERAL:
        return ""
    if isinstance(side.value, str) and other.only({"number"}) and _is_number(side.value):
        return f"write `{_unpadded(side.value)}`"
    if isinstance(side.value, str) and other.only(BOOLEANS) and side.value.lower() in ("true", "false"):
        return f"write `{side.value.lower()}`"
    if isinstance(side.value, int | float) and other.only({"string"}):
        return f"write '{text[side.offset : side.end].strip('`').strip()}'"
    return ""


def _unpadded(number: str) -> str:
    """Write a number as JSON has it, without leading zeros."""
    digits = number.strip()
    bare = digits.lstrip("0")
    return bare if bare[:1].isdigit() else f"0{bare}"


def never_ordered(node: Node, type_: Type) -> Finding:
    """Return the finding of an ordering that gives null on every event."""
    message = f"{type_} cannot be ordered, so this is always null"
    return _at(node, "never-ordered", message, "only numbers, and texts among each other, are ordered")


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _at(node: Node, code: str, message: str, hint: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(code=code, offset=node.offset, length=node.length, message=message, hint=hint, severity=severity)
