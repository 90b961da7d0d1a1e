"""The one tree of errors. Each carries data and a stable reason; a status is given to it at the edge.

``reason`` is what callers match on (google.rpc.ErrorInfo, design section 5). The message is for people:
it says what is wrong, where, and what to do about it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldViolation:
    """One thing wrong with a request: ``field`` is its path, such as ``event.data`` or ``contacts[3].email``."""

    field: str
    description: str


class TidingsError(Exception):
    """Anything the gateway refuses or cannot do."""

    reason: ClassVar[str] = "INTERNAL"


class InvalidRequest(TidingsError):
    """The request breaks the contract; ``violations`` says where."""

    reason = "INVALID_REQUEST"

    def __init__(self, violations: Sequence[FieldViolation]) -> None:
        self.violations = tuple(violations)
        super().__init__("; ".join(f"{each.field}: {each.description}" for each in self.violations))


class InvalidEvent(InvalidRequest):
    """The event cannot be read or lacks what every event must have."""

    reason = "INVALID_EVENT"


class EventIdReused(TidingsError):
    """The organisation has already sent this event id with other content."""

    reason = "EVENT_ID_REUSED"

    def __init__(self, *, org_id: int, event_id: str) -> None:
        self.org_id = org_id
        self.event_id = event_id
        super().__init__(
            f"organisation {org_id} has already published event {event_id!r} with other content; "
            "a new event needs an id of its own"
        )


class NotFound(TidingsError):
    """What was asked for by name does not exist."""

    reason = "NOT_FOUND"

    def __init__(self, kind: str, name: str) -> None:
        self.kind = kind
        self.name = name
        super().__init__(f"no {kind} {name!r}")


class WrongState(TidingsError):
    """The thing exists, but what was asked cannot be done with it as it stands."""

    reason = "WRONG_STATE"


class Overloaded(TidingsError):
    """More work is waiting than the gateway accepts; try again after ``retry_after`` seconds."""

    reason = "OVERLOADED"

    def __init__(self, message: str, *, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


class StoreUnavailable(TidingsError):
    """The store cannot commit just now; nothing of the request was kept."""

    reason = "STORE_UNAVAILABLE"


class InvalidConfiguration(TidingsError):
    """The gateway cannot start as configured; the message names each setting and its cure."""

    reason = "INVALID_CONFIGURATION"


class Unauthenticated(TidingsError):
    """The caller has not shown who they are, or no longer counts as who they were."""

    reason = "UNAUTHENTICATED"


class PermissionDenied(TidingsError):
    """The caller is known and may not do this; ``metadata`` names what was missing."""

    reason = "PERMISSION_DENIED"

    def __init__(self, message: str, metadata: Mapping[str, str]) -> None:
        self.metadata = dict(metadata)
        super().__init__(message)
