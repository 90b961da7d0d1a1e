"""Which part of the gateway's work a process does. Intake and dispatch meet only in the store."""

import enum


class Role(enum.StrEnum):
    """What ``tidings serve --role`` takes."""

    ALL = "all"
    INTAKE = "intake"
    """Takes events and answers calls: gRPC and all of HTTP. Neither sends nor lets go of what is past its time."""
    DISPATCH = "dispatch"
    """Sends, and lets go of what is past its time. Of HTTP only the pages that say how it does."""

    @property
    def takes_in(self) -> bool:
        """Whether callers are answered."""
        return self is not Role.DISPATCH

    @property
    def dispatches(self) -> bool:
        """Whether deliveries are sent."""
        return self is not Role.INTAKE
