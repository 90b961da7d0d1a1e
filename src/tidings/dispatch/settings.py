"""How dispatch works through what is due."""

from pydantic import BaseModel, ConfigDict, Field

from tidings.channels import Duration


class DispatchSettings(BaseModel):
    """The ``dispatch`` section of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int = Field(default=64, ge=1, le=4096)
    """How many deliveries may be under way at once."""

    lease: Duration = Field(default=90.0, gt=0)
    """How long a worker holds a delivery before another may take it; longer than the channels' timeouts."""

    drain: Duration = Field(default=8.0, ge=0)
    """How long a stopping gateway waits for what is under way; what is not done then is given back."""
