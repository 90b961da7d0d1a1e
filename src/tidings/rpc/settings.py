"""The gRPC listener's settings."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field


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

    tls: TlsSettings | None = None
    """Encrypts the listener; absent: plain text."""

    allow_plaintext: bool = False
    """Lets a listener that other machines can reach do without TLS, where a proxy in front of it sees to that."""

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """The largest request accepted, bytes."""
