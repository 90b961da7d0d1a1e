"""What operators see: log events and metrics. It knows names and forms, not what the gateway does."""

from tidings.telemetry import events
from tidings.telemetry.blotting import blotted
from tidings.telemetry.logs import Form, Level, configure_logging, gather_logs, get_logger, relay
from tidings.telemetry.metrics import Metrics

__all__ = ["Form", "Level", "Metrics", "blotted", "configure_logging", "events", "gather_logs", "get_logger", "relay"]
