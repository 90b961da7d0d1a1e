"""What the tests of events share: the published payloads, leaves of JSON, and ways to spoil a payload."""

import copy
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

from tidings.events import catalog, convert_one, samples, to_vendor_json

ORG = 50750
"""The organisation of events whose publisher names none."""

PAYLOADS = [
    (f"{event.name}.{number}", event.name, payload)
    for event in catalog()
    for number, payload in enumerate(samples(event.name), 1)
]
"""Every published payload: an id for the test, the event's catalog name, the payload."""


def flat_of(payload: Any) -> dict[str, Any]:
    """The flat form of a payload of one event."""
    return to_vendor_json(convert_one(payload, org_id=ORG).event)


def leaves(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every scalar of a JSON value but null, with its keys and indices."""
    if isinstance(value, dict):
        for key, each in value.items():
            yield from leaves(each, (*path, key))
    elif isinstance(value, list):
        for place, each in enumerate(value):
            yield from leaves(each, (*path, str(place)))
    elif value is not None:
        yield path, value


def meanings(value: Any) -> set[tuple[tuple[str, ...], Any]]:
    """The leaves as a tolerant reader takes them: keys without blanks and case, numbers by value, even in text."""
    return {(tuple("".join(key.split()).casefold() for key in path), meaning(leaf)) for path, leaf in leaves(value)}


def meaning(leaf: Any) -> Any:
    """A scalar's meaning; true is not 1."""
    if isinstance(leaf, bool):
        return ("flag", leaf)
    if isinstance(leaf, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", leaf):
        return float(leaf) if "." in leaf else int(leaf)
    return leaf


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.integers(-(2**53) - 2, 2**53 + 2),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=12),
    st.sampled_from(
        ["", "0", "-1", "12", "1.5", "14.000", "007", "true", "null", "9223372036854775808", "1e3", "/", "~1"]
    ),
)
"""Scalars of JSON, those that types trip over among them."""

values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=12,
)
"""Values of JSON."""


def containers(value: Any) -> list[Any]:
    """Every object and list of a value, itself included."""
    found = [value] if isinstance(value, dict | list) else []
    for each in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        found.extend(containers(each))
    return found


@st.composite
def spoiled(draw: st.DrawFn, *, flat: bool = True) -> dict[str, Any]:
    """A published payload, in the flat form or as published, with one to four things done to it."""
    payload: dict[str, Any] = copy.deepcopy(draw(st.sampled_from(PAYLOADS))[2])
    payload = flat_of(payload) if flat else payload
    for _ in range(draw(st.integers(1, 4))):
        spoil(draw, payload)
    return payload


def spoil(draw: st.DrawFn, payload: dict[str, Any]) -> None:
    """Drop, null, retype, rename, add or nest somewhere in a payload."""
    node = draw(st.sampled_from([each for each in containers(payload) if each] or [payload]))
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    if not keys:
        return
    key = draw(st.sampled_from(keys))
    how = draw(st.sampled_from(["drop", "retype", "rename", "add", "nest", "text"]))
    if how == "drop":
        del node[key]
    elif how == "retype":
        node[key] = draw(values)
    elif how == "text":
        node[key] = str(node[key])
    elif how == "nest":
        for _ in range(draw(st.integers(1, 40))):
            node[key] = {"within": node[key]} if draw(st.booleans()) else [node[key]]
    elif isinstance(node, dict):
        name = draw(st.sampled_from([str(key).upper(), f" {key}", f"{key} ", f"x{key}", f"{key}/~"]))
        node.setdefault(name, node.pop(key) if how == "rename" else draw(values))
