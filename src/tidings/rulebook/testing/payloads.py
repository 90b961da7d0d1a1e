"""From what a case says of its event to the event: a sample, a file or a payload, with values changed by path."""

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

from tidings.documents import did_you_mean
from tidings.events import ConversionError, ConversionWarning, catalog, convert_one, sample, validate
from tidings.events.envelopes import open_envelope
from tidings.events.reading import Unreadable, read_exactly
from tidings.events.v1.event_pb2 import Event

_STEP: Final = re.compile(r'"([^"]+)"|\[(\d+)\]|([^.\[\]"]+)')
_PATH: Final = re.compile(r'(?:"[^"]+"|[^.\[\]"]+)(?:\.(?:"[^"]+"|[^.\[\]"]+)|\[\d+\])*')
_MEANT: Final = frozenset({"unmodelled", "unfit", "key"})
"""Leniencies that in a value set by hand are most likely a slip."""

Steps = tuple[str | int, ...]


class PayloadFault(Exception):
    """The event of a case cannot be had. ``change`` names the key under ``set`` that is at fault, if one is."""

    def __init__(self, code: str, message: str, *, hint: str = "", change: str | None = None) -> None:
        self.code = code
        self.message = message
        self.hint = hint
        self.change = change
        super().__init__(message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Payload:
    """An event, and what was odd about the values that the case sets: pairs of its key and words."""

    event: Event
    oddities: tuple[tuple[str, str], ...] = ()


def build(given: str | Mapping[str, Any], changes: Mapping[str, Any], files: Mapping[str, bytes]) -> Payload:
    """Make the event of a case.

    Args:
        given: the name of a catalog event, the path of a file, or the event in any envelope of its publisher.
        changes: values by path, such as ``data.tiers[0].tierName``; paths are those that conditions use.
        files: contents of the rulebook's files by path.

    Raises:
        PayloadFault: there is no such event, it cannot be read, or a path leads nowhere.
    """
    payload = _payload(given, files)
    try:
        if changes:
            payload = copy.deepcopy(open_envelope(payload).flat)
            for path, value in changes.items():
                _change(payload, path, value)
        converted = convert_one(payload)
    except (Unreadable, ConversionError) as error:
        hint = "name the organisation: set: {orgId: 50750}" if "orgId is missing" in str(error) else ""
        raise PayloadFault(
            "unreadable-event", f"the event cannot be read: {str(error).lstrip(': ')}", hint=hint
        ) from None
    if violations := validate(converted.event):
        faults = "; ".join(f"{each.field}: {each.description}" for each in violations)
        raise PayloadFault("invalid-event", f"the gateway would refuse the event: {faults}")
    return Payload(event=converted.event, oddities=tuple(_oddities(changes, converted.warnings)))


def _payload(given: str | Mapping[str, Any], files: Mapping[str, bytes]) -> Any:
    if not isinstance(given, str):
        return given
    if given in files:
        try:
            return read_exactly(files[given], lambda path, done: None)  # noqa: ARG005 (what was mended is no matter here)
        except Unreadable as error:
            raise PayloadFault("unreadable-event", f"{given} is not JSON: {error}") from None
    names = [event.name for event in catalog()]
    if given in names:
        return sample(given)
    if "/" in given or given.endswith(".json"):
        hint = did_you_mean(given, files) or "paths begin at the rulebook's folder"
        raise PayloadFault("missing-event-file", f"there is no file {given!r}", hint=hint)
    hint = did_you_mean(given, names) or "tidings catalog lists the events; a file's name ends in .json"
    raise PayloadFault("unknown-event", f"there is no event {given!r}", hint=hint)


def _change(payload: Any, path: str, value: Any) -> None:
    """Set the value at a path; what is missing on the way is made."""
    steps = steps_of(path)
    here = payload
    for step, following in pairwise(steps):
        here = _enter(here, step, path, [] if isinstance(following, int) else {})
    _put(here, steps[-1], path, copy.deepcopy(value))


def steps_of(path: str) -> Steps:
    """Split a path into keys and list positions; raise PayloadFault when it is none."""
    if not _PATH.fullmatch(path):
        hint = 'write names with dots, and list positions in brackets: data.tiers[0].tierName, data."odd.name"'
        raise PayloadFault("invalid-path", f"{path!r} is not a path", hint=hint, change=path)
    return tuple(int(index) if index else quoted or name for quoted, index, name in _STEP.findall(path))


def _enter(here: Any, step: str | int, path: str, fresh: Any) -> Any:
    """Return the collection one step further, made when there is none."""
    if isinstance(here, dict) and here.get(str(step)) is None:
        here[str(step)] = fresh
    elif isinstance(here, list) and step == len(here):
        here.append(fresh)
    if isinstance(here, dict) and isinstance(step, str):
        return here[step]
    if isinstance(here, list) and isinstance(step, int) and step < len(here):
        return here[step]
    raise _nowhere(here, step, path)


def _put(here: Any, step: str | int, path: str, value: Any) -> None:
    if isinstance(here, dict) and isinstance(step, str):
        here[step] = value
    elif isinstance(here, list) and isinstance(step, int) and step <= len(here):
        here[step : step + 1] = [value]
    else:
        raise _nowhere(here, step, path)


def _nowhere(here: Any, step: str | int, path: str) -> PayloadFault:
    if isinstance(here, list):
        message = f"the list has {len(here)} {'entry' if len(here) == 1 else 'entries'}, and no {step!r}"
    elif isinstance(here, dict):
        message = f"[{step}] is a place in a list, and here is a mapping"
    else:
        message = f"{step!r} would stand within a single value"
    return PayloadFault("unfit-path", f"{path} leads nowhere: {message}", change=path)


def _oddities(changes: Mapping[str, Any], warnings: tuple[ConversionWarning, ...]) -> list[tuple[str, str]]:
    """Match what the conversion found lenient with the changes that caused it."""
    found = []
    for path in changes:
        pointer = "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps_of(path))
        for warning in warnings:
            if warning.code in _MEANT and f"{warning.path}/".startswith(f"{pointer}/"):
                found.append((path, warning.text))
                break
    return found
