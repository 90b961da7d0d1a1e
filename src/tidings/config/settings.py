"""The gateway's configuration: one YAML file, every key overridable as ``TIDINGS_SECTION__KEY``.

Each section belongs to the package it steers; this module only assembles them and explains what is wrong.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from tidings.access import AuthSettings
from tidings.channels import Duration, EmailSettings, WebhookSettings
from tidings.dispatch import DispatchSettings, RetentionSettings
from tidings.errors import InvalidConfiguration
from tidings.links import UnsubscribeSettings
from tidings.rpc import GrpcSettings
from tidings.telemetry import Form, Level
from tidings.web import HttpSettings, IntakeSettings

CpuAffinity = Literal["auto", "none"]


class LogSettings(BaseModel):
    """The ``log`` section: what is logged, and how."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    level: Level = "info"
    """The least severe level that is written."""

    form: Form = "console"
    """``console`` for people, ``json`` for machines."""


class ReloadSettings(BaseModel):
    """The ``reload`` section: how changes of the rulebook's folder are noticed."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    every: Duration | Literal[0] = 1.0
    """How often the folder is looked at; a change goes live after one look without a further one. 0: never."""


class TraceSettings(BaseModel):
    """The ``traces`` section: where traces go, and how many. It wants the extra ``tidings[traces]``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    endpoint: str | None = Field(default=None, pattern=r"^https?://[^/]+/?$")
    """An OTLP/gRPC collector, such as ``http://127.0.0.1:4317``; absent: nothing is traced."""

    sample: float = Field(default=0.01, ge=0, le=1)
    """The share of events that are traced although their callers say nothing of it. Whoever sends a trace context
    along decides for itself."""


class Settings(BaseSettings):
    """Everything that can be configured."""

    model_config = SettingsConfigDict(
        env_prefix="TIDINGS_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        case_sensitive=False,
        hide_input_in_errors=True,
    )

    rules: Path = Path("rules")
    """The rulebook's folder."""

    store: str = "sqlite:///tidings.db"
    """Where events and deliveries are kept, as a URL: of a SQLite file, or ``postgresql://user@host/database``, which
    any number of gateways share."""

    drain_delay: Duration | Literal[0] = 0
    """How long a stopping gateway still answers calls after health and readiness have turned, so that a load balancer
    can notice first; a little more than the time between two of its checks."""

    cpu_affinity: CpuAffinity = "auto"
    """With ``auto`` the event loop of a gateway and the interpreter's other threads keep to one processor, and
    whatever needs no interpreter keeps off it; they move when they have to wait there while another processor has time.
    Gateways of one machine take different processors and leave one to everybody. ``none`` leaves it to the system."""

    auth: AuthSettings = Field(default_factory=AuthSettings)
    grpc: GrpcSettings = Field(default_factory=GrpcSettings)
    http: HttpSettings = Field(default_factory=HttpSettings)
    intake: IntakeSettings = Field(default_factory=IntakeSettings)
    unsubscribe: UnsubscribeSettings = Field(default_factory=UnsubscribeSettings)
    email: EmailSettings = Field(default_factory=EmailSettings)
    webhook: WebhookSettings = Field(default_factory=WebhookSettings)
    dispatch: DispatchSettings = Field(default_factory=DispatchSettings)
    retention: RetentionSettings = Field(default_factory=RetentionSettings)
    reload: ReloadSettings = Field(default_factory=ReloadSettings)
    log: LogSettings = Field(default_factory=LogSettings)
    traces: TraceSettings = Field(default_factory=TraceSettings)

    @model_validator(mode="after")
    def _lease_outlasts_a_send(self) -> Self:
        """Leases are renewed, but one that lapses in mid-send because the store was away lets another worker send."""
        longest = max(self.email.timeout, self.webhook.timeout)
        if self.dispatch.lease <= longest:
            raise ValueError(
                f"dispatch.lease ({self.dispatch.lease:g}s) must be longer than email.timeout and webhook.timeout "
                f"(now up to {longest:g}s), or a slow message could be sent twice when a renewal fails"
            )
        return self

    @model_validator(mode="after")
    def _listeners_that_others_reach_want_keys(self) -> Self:
        """Without keys callers cannot be told apart, so nobody from outside may call."""
        for key, listen in (("grpc.listen", self.grpc.listen), ("http.listen", self.http.listen)):
            if not _is_loopback(listen) and self.auth.keys is None:
                raise ValueError(
                    f"{key}: {listen} can be reached from other machines, and without keys anybody there may do "
                    "anything; make a key with tidings keys create and name its file in auth.keys, or listen on "
                    "127.0.0.1"
                )
        return self

    @model_validator(mode="after")
    def _intakes_that_others_reach_are_checked(self) -> Self:
        """What a stranger posts must not become e-mails."""
        if not _is_loopback(self.http.listen) and not self.intake.capillary.headers:
            raise ValueError(
                f"intake.capillary.headers: {self.http.listen} can be reached from other machines, and anybody there "
                "could post events; name a header and its secret, as X-Token: env:NAME"
            )
        return self

    @model_validator(mode="after")
    def _links_are_sealed(self) -> Self:
        """A link that can be guessed would let anybody unsubscribe others."""
        if self.http.public_url is not None and not self.unsubscribe.secrets:
            raise ValueError(
                f"unsubscribe.secret: links to {self.http.public_url} in e-mails need a secret that seals them; name "
                "one of at least 32 characters, as env:NAME or file:PATH"
            )
        return self

    @model_validator(mode="after")
    def _keys_travel_encrypted(self) -> Self:
        """A key that travels in plain text is everybody's key."""
        listen = self.grpc.listen
        if not _is_loopback(listen) and self.grpc.tls is None and not self.grpc.allow_plaintext:
            raise ValueError(
                f"grpc.listen: {listen} can be reached from other machines, and without grpc.tls keys and events would "
                "travel in plain text; set grpc.tls, or grpc.allow_plaintext: true where a proxy in front encrypts"
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 (pydantic's signature)
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the same)
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 (the same)
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        return env_settings, init_settings


def _is_loopback(listen: str) -> bool:
    host = listen.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        # Not an address: a listener that cannot be bound explains itself when it is opened.
        return not host


def load_settings(file: Path | None) -> Settings:
    """Read ``file``, or the defaults when it is None, and apply the environment.

    Raises:
        InvalidConfiguration: one readable message with every setting that is wrong.
    """
    values = {} if file is None else _read(file)
    try:
        return Settings(**values)
    except ValidationError as error:
        where = "the environment" if file is None else f"{file} or the environment"
        lines = [_explain(fault["loc"], fault["msg"], fault["type"]) for fault in error.errors()]
        raise InvalidConfiguration(f"the configuration in {where} cannot be used:\n" + "\n".join(lines)) from None


def _read(file: Path) -> dict[str, Any]:
    try:
        values = yaml.load(file.read_bytes(), Loader=yaml.CSafeLoader)
    except OSError as error:
        raise InvalidConfiguration(f"{file} cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InvalidConfiguration(f"{file} is not YAML: {error}") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InvalidConfiguration(f"{file} must hold settings as KEY: VALUE, not a {type(values).__name__}")
    return {str(key): value for key, value in values.items()}


def _explain(place: tuple[int | str, ...], message: str, kind: str) -> str:
    key = ".".join(str(part) for part in place)
    if kind == "extra_forbidden":
        return f"  {key}: there is no such setting"
    said = message.removeprefix("Value error, ")
    return f"  {key}: {said}" if key else f"  {said}"
