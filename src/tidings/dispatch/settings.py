"""How dispatch works through what is due."""

from pydantic import BaseModel, ConfigDict, Field

from tidings.channels import Duration


class BreakerSettings(BaseModel):
    """The ``dispatch.breaker`` section: when an endpoint that fails is left alone for a while."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    window: Duration = Field(default=30.0, gt=0)
    """How far back attempts count."""

    failures: float = Field(default=0.7, gt=0, le=1)
    """The share of attempts within the window that must have failed."""

    minimum: int = Field(default=10, ge=1)
    """How many attempts the window must hold before that share means anything; as many failures in a row, with
    nothing else between, are enough as well."""

    open: Duration = Field(default=30.0, gt=0)
    """How long an endpoint is left alone before one delivery probes it; doubles with each probe that fails."""

    longest: Duration = Field(default=300.0, gt=0)
    """How long it is left alone at the most."""


class DispatchSettings(BaseModel):
    """The ``dispatch`` section of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    concurrency: int = Field(default=512, ge=1, le=16384)
    """How many deliveries may be under way at once. Endpoints that answer slowly get one half of it."""

    email_concurrency: int = Field(default=64, ge=1, le=4096)
    """How many e-mails may be under way at once."""

    batch: int = Field(default=256, ge=1, le=4096)
    """How many deliveries are taken from the store at once."""

    lease: Duration = Field(default=90.0, gt=0)
    """How long a worker holds a delivery before another may take it. Renewed while the delivery is under way."""

    drain: Duration = Field(default=8.0, ge=0)
    """How long a stopping gateway waits for what is under way; what is not done then is given back."""

    disable_after: Duration = Field(default=5 * 86_400.0, gt=0)
    """For how long every attempt at an endpoint must have failed for it to be disabled."""

    breaker: BreakerSettings = Field(default_factory=BreakerSettings)

    @property
    def most_in_hand(self) -> int:
        """How many deliveries are in hand at the most, whether under way, queued or about to be settled."""
        return self.concurrency + 2 * self.batch

    @property
    def share(self) -> int:
        """How many of these may wait for one destination for long."""
        return max(1, self.most_in_hand // 8)
