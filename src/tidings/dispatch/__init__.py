"""From a committed delivery to its end: lease, gates, send, settle. It never decides what is sent to whom.

Rates, concurrency and breakers are counted in memory. Where several gateways send from one store, ``sharing`` sees to
it that each counts against its own part only, and ``pauses`` that each knows what the others found out.
"""

from tidings.dispatch.breaker import BreakerState, CircuitBreaker
from tidings.dispatch.by_hand import Enabled, EndpointsByHand
from tidings.dispatch.dispatcher import Dispatcher
from tidings.dispatch.endpoints import OnDisabled
from tidings.dispatch.limits import RateLimiter
from tidings.dispatch.retention import RetentionSettings, keep_retention, purge_all
from tidings.dispatch.retry import SCHEDULES, RetryPolicy, next_attempt
from tidings.dispatch.settings import BreakerSettings, DispatchSettings
from tidings.dispatch.standing import Pause, Standing

__all__ = [
    "SCHEDULES",
    "BreakerSettings",
    "BreakerState",
    "CircuitBreaker",
    "DispatchSettings",
    "Dispatcher",
    "Enabled",
    "EndpointsByHand",
    "OnDisabled",
    "Pause",
    "RateLimiter",
    "RetentionSettings",
    "RetryPolicy",
    "Standing",
    "keep_retention",
    "next_attempt",
    "purge_all",
]
