"""The loggers that modules hold: what they say goes through structlog, or to another process that says it there.

structlog is loaded by ``logs``, when a program says how its log is to look, or with the first thing that is said: who
says nothing here, as the process that writes to SQLite does, is spared most of what it would load.
"""

from collections.abc import MutableMapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal

if TYPE_CHECKING:
    import structlog

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["json", "console"]

Entry = MutableMapping[str, Any]
"""A log event: its fields, with its name under ``event`` and its level under ``level``."""


class Logger:
    """Says what happened: ``log.info(events.NAME, field=value)``."""

    def info(self, event: str, **fields: Any) -> None:
        """Say what is as it should be."""
        _voice.say("info", event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        """Say what somebody should know of."""
        _voice.say("warning", event, fields)

    def error(self, event: str, **fields: Any) -> None:
        """Say what went wrong."""
        _voice.say("error", event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """Say what went wrong, with the story of the exception that is being handled."""
        _voice.say("error", event, {"exc_info": True, **fields})


class _Voice:
    """Where this process's log events go."""

    def __init__(self) -> None:
        self.entries: list[Entry] | None = None
        """Those that are gathered for another process; None: they are said here."""

    def say(self, level: str, event: str, fields: dict[str, Any]) -> None:
        if self.entries is None:
            getattr(_by_structlog(), level)(event, **fields)
        else:
            self.entries.append({**fields, "event": event, "level": level})


_voice: Final = _Voice()
_logger: Final = Logger()


@cache
def _by_structlog() -> "structlog.typing.FilteringBoundLogger":
    import structlog  # noqa: PLC0415 (see above)

    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()  # heeds what is configured later, too
    return logger


def get_logger() -> Logger:
    """Return a logger."""
    return _logger


def gather_logs(entries: list[Entry]) -> None:
    """Let a process that works for another one put its log events into a list, for the other to ``relay``."""
    _voice.entries = entries


def relay(entries: Sequence[Entry]) -> None:
    """Log events that another process has gathered."""
    for entry in entries:
        fields = dict(entry)
        level, event = str(fields.pop("level")), str(fields.pop("event"))
        _voice.say(level, event, fields)
