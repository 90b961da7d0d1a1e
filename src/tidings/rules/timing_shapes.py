"""What a rule and a brand may say of the time and the number of messages, key by key."""

import re
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError

from tidings.rules.forms import clock_time, duration, read_pause
from tidings.rules.parts import Expression, Filled, Name, Shape, Text, kind_of
from tidings.rules.timing import DAY_MS

_MOST: Final = 1_000
"""What is counted is read, so that a limit costs time by its number."""
_LIKE_CLOCK: Final = re.compile(r"\s*\d{1,2}\s*([:.h]\s*\d{0,2})?\s*([AaPp]\.?[Mm]\.?)?\s*")


def _limit(number: int) -> int:
    if not 1 <= number <= _MOST:
        hint = f"write a number from 1 to {_MOST:,}; a rule that must send nothing has mode: off"
        raise PydanticCustomError("invalid-limit", "this is not a limit", {"hint": hint})
    return number


def _percent(number: float) -> float:
    if not 0 <= number <= 100:  # noqa: PLR2004 (that is what a percentage is)
        hint = "write a percentage from 0 to 100, such as 25"
        raise PydanticCustomError("invalid-rollout", "this is not a share of the customers", {"hint": hint})
    return number


def is_clock(text: str) -> bool:
    """Say whether a ``send_at`` is a time of day, and no expression."""
    return _LIKE_CLOCK.fullmatch(text) is not None


def _send_at(text: str) -> str:
    return clock_time(text) if is_clock(text) else text


Limit = Annotated[StrictInt, AfterValidator(_limit), Field(json_schema_extra={"minimum": 1, "maximum": _MOST})]
Percent = Annotated[StrictFloat, AfterValidator(_percent), Field(json_schema_extra={"minimum": 0, "maximum": 100})]
Duration = Annotated[StrictStr, AfterValidator(duration)]
SendAt = Annotated[StrictStr, AfterValidator(_send_at)]


class ThrottleShape(Shape):
    """At most so many in a time."""

    limit: Limit = Field(description="How many events the rule tells of at the most.")
    per: Duration = Field(description="In how long, such as 1h or 7d, up to 31d, counted back from each message.")
    by: Expression = Field(
        default="customer", description="What is counted by itself: customer, brand, or a JMESPath of it."
    )


class RolloutShape(Shape):
    """A share of the customers."""

    percent: Percent = Field(description="How many of a hundred customers the rule is for.")
    group: Name | None = Field(
        default=None, description="Rules of one group take the same customers; the rule's own id when absent."
    )


class CancelShape(Shape):
    """An event that makes what waits pointless."""

    event: Text = Field(description="Name of a catalog event.")
    when: Expression | None = Field(default=None, description="JMESPath condition on that event.")


_Cancel = Annotated[
    Annotated[Text, Tag("text")] | Annotated[CancelShape, Tag("mapping")],
    Discriminator(
        kind_of,
        custom_error_type="wrong-type",
        custom_error_message="this must be the name of an event, or {event: …, when: JMESPath}",
    ),
]

Rollout = Annotated[
    Annotated[Percent, Tag("number")] | Annotated[RolloutShape, Tag("mapping")],
    Discriminator(
        kind_of,
        custom_error_type="wrong-type",
        custom_error_message="this must be a percentage, or {percent: …, group: …}",
    ),
]

CancelOn = Annotated[
    Annotated[Text, Tag("text")]
    | Annotated[CancelShape, Tag("mapping")]
    | Annotated[tuple[_Cancel, ...], Filled, Tag("list")],
    Discriminator(
        kind_of,
        custom_error_type="wrong-type",
        custom_error_message="this must be the name of an event, {event: …, when: JMESPath}, or a list of these",
    ),
]


def _whole_days(text: str) -> str:
    if read_pause(duration(text)) % DAY_MS:
        hint = "write 1d or 7d; for shorter times, write window: 30m"
        raise PydanticCustomError(
            "invalid-digest", "a digest at a time of day comes every so many days", {"hint": hint}
        )
    return text


class DigestShape(Shape):
    """Events that are gathered into one message."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": ["every", "at"]}, {"required": ["window"]}]})

    every: Annotated[StrictStr, AfterValidator(_whole_days)] | None = Field(
        default=None, description="How often it goes at the most, in days such as 1d or 7d, up to 31d."
    )
    at: Annotated[StrictStr, AfterValidator(clock_time)] | None = Field(
        default=None, description="Time of day at which it goes, HH:MM, by the customer's clock."
    )
    window: Duration | None = Field(
        default=None, description="How long it gathers, such as 30m or 2h, counted from its first event."
    )
    by: Expression = Field(
        default="customer", description="What is gathered together: customer, brand, or a JMESPath of it."
    )

    @model_validator(mode="after")
    def _has_one_form(self) -> "DigestShape":
        if (self.every is None) != (self.at is None) or (self.every is None) == (self.window is None):
            hint = 'write {every: 1d, at: "09:00", by: customer} or {window: 30m, by: customer}'
            raise PydanticCustomError(
                "invalid-digest", "a digest goes every so many days, or after a window", {"hint": hint}
            )
        return self


class CapShape(Shape):
    """At most so many e-mails to a customer in a time, whatever rules send them."""

    limit: Limit = Field(description="How many e-mails a customer gets at the most.")
    per: Duration = Field(description="In how long, such as 1d or 7d, up to 31d, counted back from each e-mail.")
    categories: Annotated[tuple[Name, ...], Filled] | None = Field(
        default=None, description="The categories that count; all but service when absent."
    )
