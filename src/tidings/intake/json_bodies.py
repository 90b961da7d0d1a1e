"""Publishing a vendor's JSON body: convert, publish what can be read, and answer for each event."""

from collections.abc import Iterator
from dataclasses import dataclass

from tidings.errors import TidingsError
from tidings.events import ConversionWarning, ConvertedEvent, RejectedEvent, convert
from tidings.intake.publish import Publish, Published

MAX_EVENTS = 1_000
"""How many events one body may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonResult:
    """What became of one event of a body."""

    outcome: Published | TidingsError
    path: str
    """Where it stands in the body, as a JSON Pointer; empty for a body of one event."""
    warnings: tuple[ConversionWarning, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonAnswer:
    """What became of a body."""

    results: tuple[JsonResult, ...]

    @property
    def refused(self) -> tuple[JsonResult, ...]:
        """The events that were refused."""
        return tuple(each for each in self.results if isinstance(each.outcome, TidingsError))


class PublishJson:
    """Takes vendors' bodies into the gateway."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    async def __call__(self, body: bytes, *, org_id: int | None = None) -> JsonAnswer:
        """Publish every event of a body in one commit. A bad event costs the others nothing.

        Args:
            body: JSON in UTF-8.
            org_id: the organisation of events that name none.

        Raises:
            ConversionError: the body as a whole cannot be read.
            StoreUnavailable, Overloaded: nothing was kept.
        """
        conversion = convert(body, org_id=org_id, max_events=MAX_EVENTS)
        readable = [member for member in conversion.members if isinstance(member, ConvertedEvent)]
        outcomes = iter(await self._publish.many([member.event for member in readable]))
        results = [_result(member, outcomes) for member in conversion.members]
        return JsonAnswer(results=tuple(results))


def _result(member: ConvertedEvent | RejectedEvent, outcomes: Iterator[Published | TidingsError]) -> JsonResult:
    if isinstance(member, RejectedEvent):
        return JsonResult(outcome=member.error, path=member.path)
    return JsonResult(outcome=next(outcomes), path=member.path, warnings=member.warnings)
