"""What the gateway knows of how to reach a customer."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """One customer of one organisation. Everything but the two identifiers may be unknown."""

    org_id: int
    customer_id: str
    email: str | None = None
    name: str | None = None
    locale: str | None = None
    """BCP 47 tag, such as ``en`` or ``ar-AE``."""
    time_zone: str | None = None
    """IANA name, such as ``Asia/Kolkata``."""
