"""Structured logs: one JSON object (or one readable line) per event on standard error.

Nothing personal and no secret gets in: fields are identifiers, tracebacks come without local variables and with the
texts of errors blotted, and what libraries say comes the same way.
"""

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TextIO

import structlog

from tidings.telemetry import events
from tidings.telemetry.blotting import blotted, without_addresses
from tidings.telemetry.loggers import Entry, Form, Level


def configure_logging(*, level: Level = "info", form: Form = "console", stream: TextIO | None = None) -> None:
    """Direct every log line to ``stream``. The one process-wide call; only a program's entry makes it."""
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=(stream or sys.stderr).isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.ExceptionRenderer(_story),
            *([] if form == "json" else [_readable_story]),
            _without_addresses,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
    )
    logging.basicConfig(handlers=[_FromLibraries(logging.WARNING)], level=logging.WARNING, force=True)


class _FromLibraries(logging.Handler):
    """Brings in what libraries warn of: the sentence as they wrote it, without the values they put into it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        structlog.get_logger().log(
            record.levelno,
            events.LIBRARY_WARNED,
            library=record.name,
            text=blotted(str(record.msg)),
            exc_info=record.exc_info or None,
        )


# Local variables stay out of tracebacks: they hold what customers are written.
_TRANSFORM: Final = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def _story(exc_info: structlog.typing.ExcInfo) -> list[dict[str, Any]]:
    return [_blotted_story(each) for each in _TRANSFORM(exc_info)]


def _blotted_story(stack: Mapping[str, Any]) -> dict[str, Any]:
    """Return a traceback with the texts of its errors blotted; an unreadable line of source is such a text too."""
    return {
        **stack,
        "exc_value": blotted(stack["exc_value"]),
        "exc_notes": [blotted(each) for each in stack["exc_notes"]],
        "syntax_error": None,
        "exceptions": [[_blotted_story(inner) for inner in each] for each in stack["exceptions"]],
    }


def _readable_story(_logger: Any, _method: str, entry: Entry) -> Entry:
    """Write a traceback for people."""
    if isinstance(entry.get("exception"), list):
        entry["exception"] = "\n".join(_lines(entry["exception"]))
    return entry


def _lines(story: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for number, stack in enumerate(reversed(story)):
        if number:
            yield "which led to:"
        for frame in stack["frames"]:
            yield f"  {frame['filename']}:{frame['lineno']} in {frame['name']}"
        yield f"{stack['exc_type']}: {stack['exc_value']}"
        for inner in stack["exceptions"]:
            yield from (f"  | {line}" for line in _lines(inner))


def _without_addresses(_logger: Any, _method: str, entry: Entry) -> Entry:
    """Take addresses out of fields: none should be there, and a slip must not become a leak."""
    for name, value in entry.items():
        if isinstance(value, str):
            entry[name] = without_addresses(value)
        elif isinstance(value, list) and name != "exception":
            entry[name] = [without_addresses(each) if isinstance(each, str) else each for each in value]
    return entry
