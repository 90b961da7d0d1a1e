"""One JSON object into the arguments of its message, with what does not fit kept beside.

The hot path is `read_message`: a key known exactly and a value of the message's type cost one look-up and
one test. Everything else goes through `_lenient`, which either finds the value the sender meant, and says
so, or keeps the value as it stands among the unmodelled fields.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Final

from tidings.events.plans import (
    FLAG,
    INTEGER,
    INTEGERS,
    LISTS,
    MESSAGE,
    MESSAGES,
    NUMBER,
    STRUCT,
    TEXT,
    TEXT_MAP,
    TEXTS,
    FieldPlan,
    MessagePlan,
    loose,
)
from tidings.events.pointers import escape
from tidings.events.reading import MAX_DEPTH, Unreadable, write_json

SMALLEST: Final = -(2**63)
LARGEST: Final = 2**63 - 1
EXACT: Final = 2**53
"""Up to here every integer has a double of its own."""

STRUCT_DEPTH: Final = 16
"""Deeper values stay JSON text: protobuf's readers refuse messages a hundred deep, and a Struct uses three a level."""

_INTEGER_TEXT: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_NUMBER_TEXT: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_UNFIT: Final = object()


class Rounded(Exception):
    """A float so large that the quick reader may have made it of an integer."""


@dataclass(slots=True)
class Findings:
    """What turns up beside the message while one event is read."""

    exact: bool
    """Whether the value came from a reader that keeps large integers."""
    unmodelled: list[dict[str, str]] = field(default_factory=list)
    nulls: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)
    warnings: list[tuple[str, str, str]] = field(default_factory=list)
    """Path, code and text of each leniency."""
    loose: set[str] = field(default_factory=set)
    """Paths of the fields whose key was not written exactly."""

    def keep(self, path: str, value: Any, why: str, code: str = "unmodelled") -> None:
        """Keep a value that the message has no place for."""
        if value is None:
            self.nulls.append(path)
            return
        _check_depth(value, path, MAX_DEPTH - path.count("/"))
        if not self.exact:
            _look_for_rounded(value)
        self.unmodelled.append({"path": path, "json": write_json(value)})
        self.warnings.append((path, code, why))

    def warn(self, path: str, code: str, text: str) -> None:
        """Note a leniency."""
        self.warnings.append((path, code, text))


def read_message(plan: MessagePlan, source: dict[str, Any], path: str, findings: Findings) -> dict[str, Any]:
    """Return the keyword arguments that make the message; what they cannot hold goes to the findings."""
    arguments: dict[str, Any] = {}
    by_key = plan.by_key
    for key, value in source.items():
        found = by_key.get(key) or _find_loosely(plan, key, source, (path, findings))
        if found is None:
            findings.keep(f"{path}/{escape(key)}", value, f"{plan.descriptor.name} has no such field; kept as sent")
            continue
        if found.key != key:
            findings.warn(f"{path}/{found.key}", "key", f"the key is written {key!r}")
        kind = found.kind
        sent = type(value)
        if sent is found.holds and (sent is not int or SMALLEST <= value <= LARGEST):
            arguments[found.name] = value
        elif sent is dict and kind == MESSAGE:
            arguments[found.name] = read_message(found.plan, value, f"{path}/{found.key}", findings)
        elif kind == NUMBER and (sent is int or sent is float) and -EXACT <= value <= EXACT:
            arguments[found.name] = value
        else:
            read = _read_other(found, value, f"{path}/{found.key}", findings)
            if read is not _UNFIT:
                arguments[found.name] = read
    return arguments


def read_struct(source: dict[str, Any], path: str, findings: Findings, depth: int = 0) -> dict[str, Any]:
    """Return the part of an object that a Struct holds exactly; the rest goes to the findings."""
    held: dict[str, Any] = {}
    for key, value in source.items():
        if _fits_struct(value, depth + 1, findings):
            held[key] = value
        elif type(value) is dict and depth + 1 < STRUCT_DEPTH:
            held[key] = read_struct(value, f"{path}/{escape(key)}", findings, depth + 1)
        else:
            findings.keep(f"{path}/{escape(key)}", value, "a Struct cannot hold this exactly; kept as sent", "unfit")
    return held


def _find_loosely(plan: MessagePlan, key: str, source: dict[str, Any], place: tuple[str, Findings]) -> FieldPlan | None:
    """Return the field that a key means when blanks and case are left out of it; the first such key wins."""
    found = plan.by_loose_key.get(loose(key))
    if found is None or found.key in source or source[key] is None:
        return None
    path, findings = place
    pointer = f"{path}/{found.key}"
    if pointer in findings.loose:
        return None
    findings.loose.add(pointer)
    return found


def _read_other(found: FieldPlan, value: Any, path: str, findings: Findings) -> Any:
    """Read null, the composed kinds, and values of another type than the message says."""
    kind = found.kind
    if value is None:
        findings.nulls.append(path)
        return _UNFIT
    if type(value) is list and kind in LISTS:
        return _read_list(found, value, path, findings)
    if kind == STRUCT and type(value) is dict:
        return read_struct(value, path, findings)
    if kind == TEXT_MAP and type(value) is dict:
        return _read_map(value, path, findings)
    return _lenient(found, value, path, findings)


def _read_list(found: FieldPlan, values: list[Any], path: str, findings: Findings) -> Any:
    if not values:
        findings.empty.append(path)
        return values
    if found.kind == MESSAGES and all(type(each) is dict for each in values):
        plan = found.plan
        return [read_message(plan, each, f"{path}/{place}", findings) for place, each in enumerate(values)]
    if found.kind == TEXTS and all(type(each) is str for each in values):
        return values
    if found.kind == INTEGERS and all(type(each) is int and SMALLEST <= each <= LARGEST for each in values):
        return values
    findings.keep(path, values, "not every item is of the list's type; kept as sent", "unfit")
    return _UNFIT


def _read_map(source: dict[str, Any], path: str, findings: Findings) -> dict[str, str]:
    held: dict[str, str] = {}
    for key, value in source.items():
        if type(value) is str:
            held[key] = value
        else:
            findings.keep(f"{path}/{escape(key)}", value, "only text has a place here; kept as sent", "unfit")
    if not source:
        findings.unmodelled.append({"path": path, "json": "{}"})
    return held


def _lenient(found: FieldPlan, value: Any, path: str, findings: Findings) -> Any:
    kind = found.kind
    if value == [] and kind in {MESSAGE, STRUCT, TEXT_MAP}:
        findings.warn(path, "empty-list", "an empty list stands for an empty object")
        return {}
    if kind == INTEGER:
        read = _integer(value, path, findings)
    elif kind == NUMBER:
        read = _number(value, path, findings)
    else:
        read = _UNFIT
    if read is _UNFIT:
        findings.keep(path, value, f"{_said(value)} where {_WANTED[kind]} belongs; kept as sent", "unfit")
    return read


def _integer(value: Any, path: str, findings: Findings) -> Any:
    if type(value) is float and value.is_integer() and SMALLEST <= value < LARGEST:
        findings.warn(path, "integer-as-float", "an integer written as a float")
        return int(value)
    if type(value) is str and _INTEGER_TEXT.fullmatch(value) and SMALLEST <= int(value) <= LARGEST and value != "-0":
        findings.warn(path, "number-as-text", "an integer written as text")
        return int(value)
    return _UNFIT


def _number(value: Any, path: str, findings: Findings) -> Any:
    if type(value) is float:
        if not findings.exact:
            _look_for_rounded(value)
        return value
    if type(value) is int:
        return value if _is_double(value) else _UNFIT
    if type(value) is str and _NUMBER_TEXT.fullmatch(value) and value in {repr(float(value)), _whole(value)}:
        findings.warn(path, "number-as-text", "a number written as text")
        return float(value)
    return _UNFIT


def _whole(text: str) -> str:
    number = float(text)
    return str(int(number)) if number.is_integer() and -EXACT <= number <= EXACT else ""


def _is_double(value: int) -> bool:
    try:
        return int(float(value)) == value
    except OverflowError:
        return False


def _fits_struct(value: Any, depth: int, findings: Findings) -> bool:
    kind: type = type(value)
    if kind is float:
        if not findings.exact:
            _look_for_rounded(value)
        return True
    if kind is int:
        return bool(-EXACT <= value <= EXACT)
    if kind is list:
        return depth < STRUCT_DEPTH and all(_fits_struct(each, depth + 1, findings) for each in value)
    if kind is dict:
        return depth < STRUCT_DEPTH and all(_fits_struct(each, depth + 1, findings) for each in value.values())
    return True


def _look_for_rounded(value: Any) -> None:
    if type(value) is float and abs(value) > LARGEST:
        raise Rounded
    if type(value) is dict:
        for each in value.values():
            _look_for_rounded(each)
    elif type(value) is list:
        for each in value:
            _look_for_rounded(each)


def _check_depth(value: Any, path: str, left: int) -> None:
    if isinstance(value, dict | list):
        if not left:
            raise Unreadable(f"objects and lists stand more than {MAX_DEPTH} deep", path)
        for each in value.values() if isinstance(value, dict) else value:
            _check_depth(each, path, left - 1)


def _said(value: Any) -> str:
    names = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names[type(value)]


_WANTED: Final = {
    TEXT: "text",
    INTEGER: "a 64-bit integer",
    FLAG: "true or false",
    NUMBER: "a number",
    MESSAGE: "an object",
    STRUCT: "an object",
    TEXT_MAP: "an object",
    MESSAGES: "a list of objects",
    TEXTS: "a list of text",
    INTEGERS: "a list of integers",
}
