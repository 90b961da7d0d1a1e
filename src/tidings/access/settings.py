"""The ``auth`` section of the configuration."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict


class AuthSettings(BaseModel):
    """Who may call. Without keys everybody may, and the gateway listens on loopback only."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    keys: Path | None = None
    """The file of keys that ``tidings keys`` keeps; changes count within a second."""
