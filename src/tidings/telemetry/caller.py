"""The trace context that a caller sent along, as the faces hand it to whoever takes the caller's events.

Each call is handled in a task of its own, so that a context variable holds what came with that call. It is set only
where tracing is configured.
"""

from contextvars import ContextVar
from typing import Final

TRACEPARENT: Final = "traceparent"
"""W3C's header, and gRPC's metadata key, for a trace context."""

caller_trace: ContextVar[str] = ContextVar("caller_trace", default="")
"""The caller's ``traceparent`` as it came, valid or not; empty: none came."""
