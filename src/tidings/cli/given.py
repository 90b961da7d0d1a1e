"""What the commands that ask a rulebook are given: its folder, an event in any form, a time."""

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

from tidings.cli.excerpt import render
from tidings.cli.terminal import PROBLEMS, Format, err, fail, print_json
from tidings.documents import did_you_mean
from tidings.errors import FieldViolation, InvalidEvent
from tidings.events import ConvertedEvent, convert_one, sample, validate
from tidings.events import catalog as known_events
from tidings.events.v1.event_pb2 import Event
from tidings.intake import system_clock
from tidings.model import Problem, Source
from tidings.rulebook import InvalidRulebook, Rulebook, load, read_folder


def read_moment(text: str | None) -> int:
    """Return what ``--now`` says, epoch milliseconds, or the time it is."""
    if text is None:
        return system_clock()
    try:
        read = datetime.fromisoformat(text)
        aware = read if read.tzinfo is not None else read.replace(tzinfo=UTC)
        return int(aware.timestamp() * 1000)
    except (ValueError, OverflowError):
        fail(f"--now: {text!r} is not a time; write it as 2026-01-31 or 2026-01-31T12:00:00+05:30")


def read_rulebook(folder: Path, form: Format, *, verb: str) -> Rulebook:
    """Compile a folder; show its problems and end the command where it has errors."""
    sources: tuple[Source, ...] = ()
    try:
        sources = read_folder(folder)
        return load(sources)
    except OSError as error:
        fail(f"{folder} cannot be read: {error.strerror or error}")
    except InvalidRulebook as error:
        if form is Format.JSON:
            print_json({"problems": [_problem(each) for each in error.problems]})
        else:
            sys.stdout.write("".join(render(error.problems, sources)))
        fail(f"the rulebook has errors, so there is nothing to {verb}", code=PROBLEMS)


def _problem(problem: Problem) -> dict[str, Any]:
    names = ("file", "line", "column", "code", "severity", "message", "hint")
    return {name: getattr(problem, name) for name in names}


def read_event(source: str, org: int | None, *, verb: str) -> Event:
    """Read a file, standard input or a sample; end the command with the path of every fault when there is one."""
    try:
        read = _convert(source, org)
    except InvalidEvent as error:
        _refuse(source, error.violations, verb)
    if faults := validate(read.event):
        _refuse(source, faults, verb)
    for warning in read.warnings:
        _say(f"{source}: warning: {warning.path}: {warning.text}")
    return read.event


def _refuse(source: str, faults: Iterable[FieldViolation], verb: str) -> NoReturn:
    for fault in faults:
        _say(f"{source}: error: {fault.field or 'event'}: {fault.description}")
    fail(f"the event cannot be {verb}ed")


def _say(text: str) -> None:
    err.print(text, markup=False, highlight=False, soft_wrap=True)


def _convert(source: str, org: int | None) -> ConvertedEvent:
    if source == "-":
        return convert_one(sys.stdin.buffer.read(), org_id=org)
    file = Path(source)
    if file.is_file():
        try:
            return convert_one(file.read_bytes(), org_id=org)
        except OSError as error:
            fail(f"{source} cannot be read: {error.strerror or error}")
    known = known_events().find(source)
    if known is None:
        hint = did_you_mean(source, (each.name for each in known_events()))
        fail(f"{source} is neither a file nor an event of the catalog. {hint}".rstrip())
    return convert_one(json.dumps(sample(known.name)).encode(), org_id=org)
