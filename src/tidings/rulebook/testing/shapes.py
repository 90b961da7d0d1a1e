"""What may stand in a tests file, ``*_test.yaml``, key by key."""

import re
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    JsonValue,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tidings.documents import did_you_mean
from tidings.rules.forms import is_address
from tidings.rules.parts import Name, Shape, Text
from tidings.rules.shapes import Address, Locale, TimeZone

_TIME_OF_DAY: Final = re.compile(r"[T ]\d{2}:\d{2}")
_LAST: Final = 253_402_300_799_999
"""The end of the year 9999, in epoch milliseconds."""
_ONE_EACH: Final = "write one list item for each; email: {} stands for any e-mail, webhook: {} for any webhook"


def _recipient(text: str) -> str:
    if text != "customer" and not is_address(text):
        hint = did_you_mean(text, ("customer",)) or "write customer, or the address that the e-mail goes to"
        raise PydanticCustomError("invalid-address", "this is not a recipient", {"hint": hint})
    return text


def _moment(text: str) -> str:
    try:
        datetime.fromisoformat(text)
        complete = _TIME_OF_DAY.search(text) is not None
    except ValueError:
        complete = False
    if not complete:
        hint = "write 2026-01-31T09:00 (in the brand's time zone), 2026-01-31T09:00Z, or epoch milliseconds"
        raise PydanticCustomError("invalid-time", "this is not a date with a time of day", {"hint": hint})
    return text


def _kind(value: Any) -> str | None:
    """Tell the forms a value may take apart, so that only one of them is reported on."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, list | tuple):
        return "list"
    if isinstance(value, dict):
        return "mapping"
    return "number" if isinstance(value, int) and not isinstance(value, bool) else None


_Payload = Annotated[
    Annotated[Text, Tag("text")] | Annotated[dict[StrictStr, JsonValue], Tag("mapping")],
    Discriminator(
        _kind,
        custom_error_type="wrong-type",
        custom_error_message="this must be the name of an event, a file, or the event itself",
    ),
]
_Time = Annotated[
    Annotated[StrictStr, AfterValidator(_moment), Tag("text")]
    | Annotated[StrictInt, Field(ge=0, le=_LAST), Tag("number")],
    Discriminator(
        _kind,
        custom_error_type="wrong-type",
        custom_error_message="this must be a date with a time of day, or epoch milliseconds",
    ),
]
_Texts = Annotated[
    Annotated[Text, Tag("text")] | Annotated[tuple[Text, ...], Tag("list")],
    Discriminator(_kind, custom_error_type="wrong-type", custom_error_message="this must be a text or a list of texts"),
]


class ContactShape(Shape):
    """What the contact directory knows of the customer."""

    email: Address | None = Field(default=None, description="E-mail address.")
    name: StrictStr | None = Field(default=None, description="Name, as templates see it.")
    locale: Locale | None = Field(default=None, description="Language tag, such as en or ar-AE.")
    time_zone: TimeZone | None = Field(default=None, description="IANA time zone, such as Asia/Kolkata.")


class ExpectedEmail(Shape):
    """An e-mail that must go out; what is left out may be anything."""

    to: Annotated[StrictStr, AfterValidator(_recipient)] | None = Field(
        default=None, description="The final address, or customer for the member the event concerns."
    )
    subject: StrictStr | None = Field(default=None, description="The whole subject.")
    contains: _Texts = Field(default=(), description="A text, or a list of them, that the plain text part holds.")

    @property
    def texts(self) -> tuple[str, ...]:
        """What the text part must hold, whichever way it is written."""
        return (self.contains,) if isinstance(self.contains, str) else self.contains


class ExpectedWebhook(Shape):
    """A webhook that must go out; what is left out may be anything."""

    to: Name | None = Field(default=None, description="Name of the endpoint.")
    body: dict[StrictStr, JsonValue] | None = Field(
        default=None, description="The whole data of the webhook, value by value."
    )


class Expectation(Shape):
    """One delivery that must go out."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["email"]}, {"required": ["webhook"]}]})

    rule: Name = Field(description="Id of the rule that sends it.")
    email: ExpectedEmail | None = Field(default=None, description="An e-mail that must go out.")
    webhook: ExpectedWebhook | None = Field(default=None, description="A webhook that must go out.")

    @model_validator(mode="after")
    def _has_one_channel(self) -> "Expectation":
        if (self.email is None) == (self.webhook is None):
            message = "an expectation is either an email or a webhook"
            raise PydanticCustomError("one-channel", message, {"hint": _ONE_EACH})
        return self


class CaseShape(Shape):
    """One event, and what must come of it."""

    name: Text = Field(description="What the case shows, in words.")
    event: _Payload = Field(
        description="Name of a catalog event (its published sample), a JSON file of the rulebook, or the event itself."
    )
    changes: dict[StrictStr, JsonValue] = Field(
        default={}, alias="set", description="Values to change in the event, by path: data.tiers[0].tierName: GOLD."
    )
    now: _Time | None = Field(
        default=None,
        description="When it is decided: ISO 8601, or epoch milliseconds; the event's createdAt when absent.",
    )
    contact: ContactShape | None = Field(
        default=None, description="What the contact directory knows of the customer; nothing when absent."
    )
    expect: tuple[Expectation, ...] = Field(description="Everything that must go out, and nothing else; [] is nothing.")


class CasesFile(Shape):
    """A tests file."""

    version: Literal[1] = Field(description="Version of the format: 1.")
    cases: tuple[CaseShape, ...] = Field(description="The cases.")
