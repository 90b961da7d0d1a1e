"""The gRPC listener's settings."""

from pydantic import BaseModel, ConfigDict, Field


class GrpcSettings(BaseModel):
    """The ``grpc`` section of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    listen: str = "127.0.0.1:50051"
    """Address and port to listen on; port 0 takes a free one."""

    max_message_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """The largest request accepted, bytes."""
