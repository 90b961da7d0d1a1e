"""The gRPC listener's settings."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tidings.channels import Duration


class TlsSettings(BaseModel):
    """The ``grpc.tls`` section: files in PEM. Changed files count for the next connection."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    certificate: Path
    """The gateway's certificate, followed by those between it and the authority."""

    key: Path
    """The certificate's private key."""

    client_ca: Path | None = None
    """The authority of callers' certificates; with it, only callers that have one may connect."""


class GrpcSettings(BaseModel):
    """The ``grpc`` section of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: str = "127.0.0.1:50051"
    """Address and port to listen on; port 0 takes a free one."""

    reuse_port: bool = False
    """Lets several processes of this machine listen on the same port; the system spreads connections over them."""

    tls: TlsSettings | None = None
    """Encrypts the listener; absent: plain text."""

    allow_plaintext: bool = False
    """Lets a listener that other machines can reach do without TLS, where a proxy in front of it sees to that."""

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """The largest request accepted, bytes."""

    max_streams: int = Field(default=10_000, ge=1)
    """How many calls one connection may have under way; callers keep further ones back. With a low number, calls that
    pile up while the gateway is starved of time may be refused instead."""

    idle: Duration = Field(default=900.0, gt=0)
    """How long a connection without calls is kept."""

    keepalive: Duration = Field(default=60.0, ge=10)
    """After how much silence a connection is asked whether its far side is still there. One that does not answer
    within 20 s is closed, and so is one whose far side asks more often than every 10 s."""

    max_connection_age: Duration | Literal[0] = 0
    """After how long callers are asked to connect anew, so that they spread over processes that came later; what is
    under way then has a minute to end. 0: never."""
