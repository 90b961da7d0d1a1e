"""From a committed delivery to its end: lease, gates, send, settle. It never decides what is sent to whom."""

from tidings.dispatch.dispatcher import Dispatcher
from tidings.dispatch.retry import SCHEDULES, RetryPolicy, next_attempt
from tidings.dispatch.settings import DispatchSettings

__all__ = ["SCHEDULES", "DispatchSettings", "Dispatcher", "RetryPolicy", "next_attempt"]
