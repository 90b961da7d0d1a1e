"""Structured logs: one JSON object (or one readable line) per event on standard error."""

import logging
import sys
from typing import Literal, TextIO

import structlog

Level = Literal["debug", "info", "warning", "error"]
Form = Literal["json", "console"]


def configure_logging(*, level: Level = "info", form: Form = "console", stream: TextIO | None = None) -> None:
    """Direct every log line to ``stream``. The one process-wide call; only a program's entry makes it."""
    renderer = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(
            colors=(stream or sys.stderr).isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    # Local variables stay out of tracebacks: they hold what customers are written.
    trace = [_tracebacks()] if form == "json" else []
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *trace,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(stream or sys.stderr),
    )


def _tracebacks() -> structlog.typing.Processor:
    return structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))


def get_logger() -> structlog.typing.FilteringBoundLogger:
    """Return a logger. Say ``log.info(events.NAME, field=value)``."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger()
    return logger
