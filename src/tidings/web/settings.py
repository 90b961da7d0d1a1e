"""The HTTP listener's and the vendors' intakes' settings."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator
from yarl import URL

from tidings.channels import Duration
from tidings.model import SecretRef

_LONGEST_URL: Final = 200


def _is_reference(text: str) -> str:
    SecretRef.parse(text)
    return text


def _public_url(text: str) -> str:
    """Return the address without a slash at its end; mail programs follow https only, and lines have an end."""
    try:
        url = URL(text)
    except ValueError:
        raise ValueError("this is not an address such as https://notify.example.com") from None
    if url.scheme != "https" or not url.host or url.query_string or url.fragment or url.user or url.password:
        raise ValueError("it is https://HOST, maybe with a path, such as https://notify.example.com")
    if len(str(url)) > _LONGEST_URL:
        raise ValueError(f"it must have at most {_LONGEST_URL} characters")
    return str(url).rstrip("/")


SecretReference = Annotated[str, AfterValidator(_is_reference)]
"""``env:NAME`` or ``file:PATH``."""


class HttpSettings(BaseModel):
    """The ``http`` section of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    listen: str = "127.0.0.1:8080"
    """Address and port to listen on; port 0 takes a free one."""

    longest_overdue: Duration = Field(default=300.0, gt=0)
    """``/readyz`` calls the gateway degraded, though ready, while some delivery has been due for longer than this."""

    reuse_port: bool = False
    """Lets several processes of this machine listen on the same port; the system spreads connections over them."""

    idle: Duration = Field(default=30.0, gt=0)
    """How long a connection may take for a request's headers, or be kept without a request."""

    body_timeout: Duration = Field(default=20.0, gt=0)
    """How long a request's body may take to arrive."""

    bodies_bytes: int = Field(default=64 * 1024 * 1024, ge=1024)
    """How much of bodies may be in memory at once, bytes; past it the largest are refused with 429."""

    public_url: Annotated[str, AfterValidator(_public_url)] | None = None
    """Where readers of e-mails reach this listener, such as ``https://notify.example.com``. Absent: e-mails have no
    links by which to unsubscribe."""

    proxies: tuple[str, ...] = ()
    """Networks of proxies in front, as CIDRs: what they write into X-Forwarded-For is believed."""

    @property
    def proxy_networks(self) -> tuple[IPv4Network | IPv6Network, ...]:
        """The networks of ``proxies``."""
        return tuple(ip_network(each) for each in self.proxies)

    @field_validator("proxies")
    @classmethod
    def _networks_read(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each)  # its ValueError says what is wrong
        return value


class CapillarySettings(BaseModel):
    """How the loyalty platform shows that it is who it says."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    headers: dict[str, SecretReference] = Field(default_factory=dict)
    """Static headers that every post must carry, each with a secret as its value. None: everybody is let in."""


class K42Settings(BaseModel):
    """How the card-linked network's posts are checked, and whose they are."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    org: int = Field(ge=0)
    """The organisation its events belong to; the network does not name one."""

    secret: SecretReference
    """The signing secret."""

    callback_url: str = Field(pattern=r"^https?://")
    """The callback URL exactly as it was registered with the network; it is part of what is signed."""


class BounceSettings(BaseModel):
    """How whoever posts the messages that came back shows that they may."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    headers: dict[str, SecretReference] = Field(min_length=1)
    """Static headers that every post must carry, each with a secret as its value."""


class IntakeSettings(BaseModel):
    """The ``intake`` section: the vendors' webhooks."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    capillary: CapillarySettings = Field(default_factory=CapillarySettings)

    k42: K42Settings | None = None
    """Absent: the card-linked network's intake is closed."""

    bounce: BounceSettings | None = None
    """Absent: the intake of notifications and abuse reports is closed."""

    max_body_bytes: int = Field(default=4 * 1024 * 1024, ge=1024)
    """The largest body taken, bytes."""

    keep_rejected: int = Field(default=1_000, ge=0)
    """How many rejected bodies are kept for inspection; the oldest give way."""

    keep_rejected_bytes: int = Field(default=64 * 1024, ge=0)
    """How much of each is kept, bytes."""

    keep_rejected_for: Duration = Field(default=30 * 86_400.0, gt=0)
    """How long they are kept."""
