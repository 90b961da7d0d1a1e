"""What operators see: log events and metrics. It knows names and forms, not what the gateway does.

What every module needs stands here and loads next to nothing. What brings a library along is imported from its own
module by those who need it: ``logs`` (structlog), ``metrics`` (prometheus_client), ``traces`` (OpenTelemetry).
"""

from tidings.telemetry import events
from tidings.telemetry.blotting import blotted
from tidings.telemetry.loggers import Entry, Form, Level, Logger, gather_logs, get_logger, relay

__all__ = ["Entry", "Form", "Level", "Logger", "blotted", "events", "gather_logs", "get_logger", "relay"]
