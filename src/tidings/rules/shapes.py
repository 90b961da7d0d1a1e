"""What may stand in a rules file and in a brands file, key by key.

The shapes serve three readers: the compiler, which gets valid values; writers, who get a finding for everything that
does not fit; and editors, which complete from the JSON Schema made of the descriptions here.
"""

import re
from typing import Annotated, Final, Literal, TypeVar

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    RootModel,
    StrictBool,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tidings.documents import did_you_mean
from tidings.model import SERVICE
from tidings.rules.forms import (
    address,
    clock_time,
    colour,
    endpoint_url,
    header_name,
    header_value,
    is_address,
    locale,
    logo_url,
    mailbox,
    pause,
    rate,
    secret_reference,
    zone,
)
from tidings.rules.parts import Expression, Filled, Name, Shape, Text, identifier, kind_of
from tidings.rules.timing_shapes import CancelOn, CapShape, DigestShape, Duration, Rollout, SendAt, ThrottleShape

_TYPE: Final = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


_Consent = Literal["opt_in", "opt_out"]


def _endpoint_name(text: str) -> str:
    if text == "all":
        raise PydanticCustomError("invalid-name", "an endpoint cannot be called all: rules mean every endpoint by it")
    return identifier(text)


def _webhook_type(text: str) -> str:
    if not _TYPE.fullmatch(text):
        hint = "use letters, digits and underscores, with dots between words, such as loyalty.points_expiring"
        raise PydanticCustomError("invalid-type", "this is not a webhook type", {"hint": hint})
    return text


def _email_recipient(text: str) -> str:
    if text in ("customer", "brand") or is_address(text):
        return text
    hint = did_you_mean(text, ("customer", "brand")) or "write customer, brand, name@example.com or {path: JMESPath}"
    raise PydanticCustomError("invalid-address", "this is not a recipient", {"hint": hint})


_Value = TypeVar("_Value")


def _needs_consent(by_category: dict[str, _Value]) -> dict[str, _Value]:
    if SERVICE in by_category:
        raise PydanticCustomError("invalid-value", "messages of category service need no consent", {"hint": _LEAVE_OUT})
    return by_category


_LEAVE_OUT: Final = "leave service out"

Address = Annotated[StrictStr, AfterValidator(address)]
Mailbox = Annotated[StrictStr, AfterValidator(mailbox)]
TimeZone = Annotated[StrictStr, AfterValidator(zone)]
Locale = Annotated[StrictStr, AfterValidator(locale)]
ClockTime = Annotated[StrictStr, AfterValidator(clock_time)]
EndpointName = Annotated[StrictStr, AfterValidator(_endpoint_name)]
EndpointUrl = Annotated[StrictStr, AfterValidator(endpoint_url)]
SecretReference = Annotated[StrictStr, AfterValidator(secret_reference)]
RateText = Annotated[StrictStr, AfterValidator(rate)]
Pause = Annotated[StrictStr, AfterValidator(pause)]
HeaderName = Annotated[StrictStr, AfterValidator(header_name)]
HeaderValue = Annotated[StrictStr, AfterValidator(header_value)]
Colour = Annotated[StrictStr, AfterValidator(colour)]
LogoUrl = Annotated[StrictStr, AfterValidator(logo_url)]
WebhookType = Annotated[StrictStr, AfterValidator(_webhook_type)]


class PathShape(Shape):
    """Where in the event the recipient's address stands."""

    path: Expression = Field(description="JMESPath of an address or of a list of addresses.")


class EmailShape(Shape):
    """An e-mail to send."""

    to: Annotated[
        Annotated[StrictStr, AfterValidator(_email_recipient), Tag("text")] | Annotated[PathShape, Tag("mapping")],
        Discriminator(
            kind_of,
            custom_error_type="wrong-type",
            custom_error_message="this must be customer, brand, an address, or {path: JMESPath}",
        ),
    ] = Field(description="customer, brand (its alerts_to), an address, or {path: JMESPath}.")
    template: Text = Field(description="Name of a template under templates/, without locale and ending.")


class Body(
    RootModel[
        dict[
            StrictStr,
            Annotated[
                Annotated[Expression, Tag("text")] | Annotated["Body", Tag("mapping")],
                Discriminator(
                    kind_of,
                    custom_error_type="wrong-type",
                    custom_error_message="this must be a JMESPath expression, as a text, or a mapping of such",
                    custom_error_context={"hint": "write a fixed number in backticks and quotes: '`5`'"},
                ),
            ],
        ]
    ]
):
    """Data of a webhook: keys with JMESPath expressions, nested at will."""

    model_config = ConfigDict(frozen=True)


class WebhookShape(Shape):
    """A webhook to send."""

    to: Name = Field(description="Name of an endpoint of the brand, or all.")
    type: WebhookType | None = Field(
        default=None, description="Type in the webhook's body; the event's name when absent."
    )
    body: Body | None = Field(
        default=None, description="Data of the webhook: keys with JMESPath expressions; the whole event when absent."
    )


class ActionShape(Shape):
    """One thing to send: an e-mail or a webhook."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["email"]}, {"required": ["webhook"]}]})

    email: EmailShape | None = Field(default=None, description="An e-mail to send.")
    webhook: WebhookShape | None = Field(default=None, description="A webhook to send.")

    @model_validator(mode="after")
    def _has_one_channel(self) -> "ActionShape":
        if (self.email is None) == (self.webhook is None):
            raise PydanticCustomError("one-channel", "an action is either an email or a webhook", {"hint": _ONE_EACH})
        return self


_ONE_EACH: Final = "write one list item for each"


class RuleShape(Shape):
    """Which event, on which condition, notifies whom by what."""

    id: Name = Field(description="Name of the rule, unique in the rulebook.")
    description: StrictStr = Field(default="", description="What the rule is for, in words.")
    event: Annotated[
        Annotated[Text, Tag("text")] | Annotated[tuple[Text, ...], Filled, Tag("list")],
        Discriminator(
            kind_of,
            custom_error_type="wrong-type",
            custom_error_message="this must be the name of an event or a list of names",
        ),
    ] = Field(description="Name of a catalog event, or a list of names.")
    orgs: Annotated[tuple[StrictInt, ...], Filled] | None = Field(
        default=None, description="Organisations the rule is for; every brand when absent."
    )
    when: Expression | None = Field(
        default=None, description="JMESPath condition; the rule applies when it is exactly true, always when absent."
    )
    mode: Literal["live", "shadow", "off"] = Field(
        default="live", description="live sends; shadow decides and records, but sends nothing; off does nothing."
    )
    category: Name = Field(default=SERVICE, description="Consent category; service is transactional.")
    expires_at: Expression | None = Field(
        default=None, description="JMESPath of the time after which nothing is sent; a date means its end."
    )
    retry: Annotated[tuple[Pause, ...], Filled] | None = Field(
        default=None,
        description="Pauses between attempts, such as [5s, 5m, 1h]; the endpoint's or the usual ones when absent.",
    )
    throttle: ThrottleShape | None = Field(default=None, description="At most so many in a time.")
    rollout: Rollout | None = Field(
        default=None, description="Percentage of the customers it is for, always the same ones; all when absent."
    )
    delay: Duration | None = Field(default=None, description="How long after the event, such as 2h, up to 31d.")
    send_at: SendAt | None = Field(
        default=None, description="Time of day by the customer's clock, HH:MM, or JMESPath of the moment."
    )
    cancel_on: CancelOn | None = Field(
        default=None, description="Events of the same customer that call off what has not been sent yet."
    )
    digest: DigestShape | None = Field(
        default=None,
        description="Gather events and tell of them in one message: {every: 1d, at: HH:MM} or {window: 30m}.",
    )
    urgent: StrictBool = Field(default=False, description="true: e-mails to customers go in quiet hours, too.")
    notify: Annotated[tuple[ActionShape, ...], Filled] = Field(description="What to send, to whom.")

    @property
    def events(self) -> tuple[str, ...]:
        """The event names, whichever way they are written."""
        return (self.event,) if isinstance(self.event, str) else self.event


class RulesFile(Shape):
    """A rules file."""

    version: Literal[1] = Field(description="Version of the format: 1.")
    rules: tuple[RuleShape, ...] = Field(description="The rules.")


class QuietHoursShape(Shape):
    """Local hours in which customers are left alone."""

    start: ClockTime = Field(alias="from", description="Begin, as HH:MM.")
    end: ClockTime = Field(alias="to", description="End, as HH:MM.")


class EndpointShape(Shape):
    """A webhook address of a brand."""

    name: EndpointName = Field(description="Name that rules use.")
    url: EndpointUrl = Field(description="Address to post to.")
    secrets: Annotated[tuple[SecretReference, ...], Filled] = Field(
        description="Signing secrets, newest first, each as env:NAME or file:PATH."
    )
    rate: RateText | None = Field(default=None, description="Most webhooks in a time, such as 50/s, 600/m, 10000/h.")
    concurrency: Annotated[StrictInt, Field(ge=1, le=256)] = Field(
        default=16, description="Most webhooks under way at once."
    )
    ordering: Literal["none", "customer"] = Field(
        default="none", description="customer keeps the order of each customer's webhooks."
    )
    headers: dict[HeaderName, HeaderValue] = Field(
        default_factory=dict,
        description="Further headers: Name with a text, or with a secret as env:NAME or file:PATH.",
    )
    retry: Annotated[tuple[Pause, ...], Filled] | None = Field(
        default=None, description="Pauses between attempts, such as [5s, 5m, 1h]; the usual schedule when absent."
    )
    certificate: Text | None = Field(
        default=None, description="Path of a client certificate for mutual TLS: PEM, its key in the same file."
    )


class ColoursShape(Shape):
    """The colours of a brand's messages."""

    primary: Colour | None = Field(default=None, description="Large areas and buttons: #rrggbb.")
    text: Colour | None = Field(default=None, description="Text: #rrggbb.")
    background: Colour | None = Field(default=None, description="What surrounds a message: #rrggbb.")
    link: Colour | None = Field(default=None, description="Links: #rrggbb; the primary colour when absent.")


CategoryWords = Annotated[
    Annotated[Text, Tag("text")] | Annotated[dict[Locale, Text], Tag("mapping")],
    Discriminator(
        kind_of,
        custom_error_type="wrong-type",
        custom_error_message="this must be a text, or a mapping of languages to texts",
    ),
]


class BrandShape(Shape):
    """A brand: one organisation with its sender, time zone, locale and endpoints."""

    org: Annotated[StrictInt, Field(ge=0, lt=2**63)] = Field(description="Number of the organisation.")
    name: Text = Field(description="Name as customers know it.")
    sender: Mailbox = Field(alias="from", description="Sender of e-mails: Name <address>, or an address.")
    alerts_to: tuple[Address, ...] = Field(default=(), description="Addresses that e-mails to the brand go to.")
    time_zone: TimeZone = Field(default="UTC", description="IANA time zone, such as Asia/Kolkata.")
    locale: Locale = Field(default="en", description="Language tag, such as en or ar-AE.")
    quiet_hours: QuietHoursShape | None = Field(
        default=None, description="Local hours in which customers are left alone."
    )
    caps: tuple[CapShape, ...] = Field(default=(), description="Most e-mails to a customer in a time.")
    endpoints: tuple[EndpointShape, ...] = Field(default=(), description="Webhook addresses.")
    weight: Annotated[StrictInt, Field(ge=1, le=100)] = Field(
        default=1, description="Share of the gateway while other brands have messages waiting too."
    )
    logo: LogoUrl | None = Field(default=None, description="Address of the logo, https: brand.logo in templates.")
    colours: ColoursShape | None = Field(default=None, description="Colours of messages: brand.colours in templates.")
    address: Text | None = Field(
        default=None, description="Postal address for the foot of messages: brand.address in templates."
    )
    consent: Annotated[
        Annotated[_Consent, Tag("text")]
        | Annotated[dict[Name, _Consent], AfterValidator(_needs_consent), Tag("mapping")],
        Discriminator(
            kind_of,
            custom_error_type="wrong-type",
            custom_error_message="this must be opt_in, opt_out, or a mapping of categories to one of them",
        ),
    ] = Field(
        default="opt_in",
        description="Whether e-mails to customers need their consent (opt_in) or only that they did not object "
        "(opt_out), for every category but service; or a mapping by category, where one not named is opt_in.",
    )
    categories: Annotated[dict[Name, CategoryWords], AfterValidator(_needs_consent)] = Field(
        default_factory=dict,
        description="What customers read for each category on the page of preferences, in its order: a text, or texts "
        "by language.",
    )
    keep_contacts: StrictBool = Field(
        default=False, description="Whether addresses and names in events, and merges, are taken into the directory."
    )


class BrandsFile(Shape):
    """A brands file."""

    version: Literal[1] = Field(description="Version of the format: 1.")
    brands: tuple[BrandShape, ...] = Field(description="The brands.")
