"""JSON text to values, with nothing lost on the way.

orjson reads almost everything; what it would round, merge or refuse is read again by the standard library:
integers beyond 64 bits, keys that stand twice in one object, halves of surrogate pairs.
"""

import json
import re
from collections.abc import Callable
from math import isfinite
from typing import Any, Final

import orjson

from tidings.events.pointers import escape

MAX_DEPTH: Final = 64
"""How many objects and lists of an event may stand within each other."""

_READABLE_DEPTH: Final = 128
"""How deep a payload may be to be read at all: an event with envelopes round it, and no deep recursion."""

_TOO_DEEP: Final = f"objects and lists stand more than {_READABLE_DEPTH} deep"
_LOOSE_KEY_END: Final = re.compile(rb'"\s+:')
_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
_HALF: Final = re.compile("[\ud800-\udfff]")

Report = Callable[[str, str], None]
"""Hears of a leniency: the JSON Pointer of its place and what was done."""


class Unreadable(ValueError):
    """The text is no JSON that can be taken. ``path`` is the JSON Pointer of the place where that is known."""

    def __init__(self, message: str, path: str = "") -> None:
        self.path = path
        super().__init__(message)


def read_quickly(text: bytes) -> Any:
    """Return the value of a JSON text by orjson, or None when only `read_exactly` can do it justice.

    Integers beyond 64 bits come out as floats of 2^63 and more: whoever meets one must read again.
    """
    try:
        value = orjson.loads(text)
        return None if _may_repeat_keys(text, value) else value
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # the latter beyond 254 levels
        return None


def read_exactly(text: bytes, report: Report) -> Any:
    """Return the value of a JSON text by the standard library, every integer exact; raise `Unreadable`."""
    decoded = _decode(text)
    _check_nesting(decoded)
    try:
        value = json.loads(decoded, object_pairs_hook=_unique, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise Unreadable(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except Unreadable:
        raise
    except ValueError:
        raise Unreadable("an integer has more digits than can be read") from None
    return check_value(value, report)


def check_value(value: Any, report: Report, path: str = "", depth: int = 0) -> Any:
    """Return a value that some other reader made, as JSON can hold it; raise `Unreadable`.

    Halves of surrogate pairs, which UTF-8 cannot hold, become U+FFFD, and `report` hears of each.
    """
    if isinstance(value, str):
        return _whole_text(value, path, report)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value)
    if depth >= _READABLE_DEPTH:
        raise Unreadable(_TOO_DEEP, path)
    if isinstance(value, dict):
        return _check_object(value, report, path, depth)
    if isinstance(value, list | tuple):
        return [check_value(each, report, f"{path}/{place}", depth + 1) for place, each in enumerate(value)]
    if isinstance(value, float):
        return _check_finite(value, path)
    raise Unreadable(f"a {type(value).__name__} is no JSON value", path)


def write_json(value: Any) -> str:
    """Return a value as compact JSON text; the same value gives the same text."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # integers beyond 64 bits
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _check_object(value: dict[Any, Any], report: Report, path: str, depth: int) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    for key, each in value.items():
        if not isinstance(key, str):
            raise Unreadable(f"the key {key!r} is no text", path)
        name = _whole_text(key, path, report)
        if name in checked:
            raise Unreadable(f"the key {name!r} stands twice in one object", path)
        checked[name] = check_value(each, report, f"{path}/{escape(name)}", depth + 1)
    return checked


def _whole_text(text: str, path: str, report: Report) -> str:
    if text.isascii() or _HALF.search(text) is None:
        return str(text)
    report(path, "half of a surrogate pair was replaced by U+FFFD")
    return _HALF.sub("\N{REPLACEMENT CHARACTER}", text)


def _check_finite(number: float, path: str) -> float:
    if not isfinite(number):
        raise Unreadable(f"{number} is no JSON number", path)
    return float(number)


def _may_repeat_keys(text: bytes, value: Any) -> bool:
    """Say whether an object of the text may hold a key twice: never no when one does.

    Without a backslash no text within holds a quote, so every quote before a colon ends a key, and as many
    keys must have come out as stood in the text.
    """
    if b"\\" in text or _LOOSE_KEY_END.search(text):
        return True
    return text.count(b'":') != orjson.dumps(value).count(b'":')


def _decode(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"byte {error.start}: not UTF-8") from None


def _check_nesting(text: str) -> None:
    """Refuse deep nesting before a recursive reader meets it."""
    if text.count("{") + text.count("[") <= _READABLE_DEPTH:
        return
    depth = 0
    for token in _TOKEN.finditer(text):
        sign = token.group()
        depth += (sign in {"[", "{"}) - (sign in {"]", "}"})
        if depth > _READABLE_DEPTH:
            raise Unreadable(f"character {token.start() + 1}: {_TOO_DEEP}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Unreadable(f"the key {twice!r} stands twice in one object")
    return value


def _refuse(constant: str) -> Any:
    raise Unreadable(f"{constant} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not isfinite(number):
        raise Unreadable(f"the number {text[:40]} is too large to read")
    return number
