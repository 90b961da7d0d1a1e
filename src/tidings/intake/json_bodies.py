"""Publishing a vendor's JSON body: convert, publish what can be read, and answer for each event."""

from collections.abc import Callable
from dataclasses import dataclass

from tidings.errors import PermissionDenied, TidingsError
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

    async def __call__(
        self, body: bytes, *, org_id: int | None = None, owns: Callable[[int], bool] | None = None
    ) -> JsonAnswer:
        """Publish every event of a body in one commit. A bad event costs the others nothing.

        Args:
            body: JSON in UTF-8.
            org_id: the organisation of events that name none.
            owns: whose events the caller may bring; None: anybody's. Others are refused, each by itself.

        Raises:
            ConversionError: the body as a whole cannot be read.
            StoreUnavailable, Overloaded: nothing was kept.
        """
        conversion = convert(body, org_id=org_id, max_events=MAX_EVENTS)
        welcome = [
            member
            for member in conversion.members
            if isinstance(member, ConvertedEvent) and (owns is None or owns(member.event.org_id))
        ]
        outcomes = dict(zip(map(id, welcome), await self._publish.many([each.event for each in welcome]), strict=True))
        results = [_result(member, outcomes.get(id(member))) for member in conversion.members]
        return JsonAnswer(results=tuple(results))


def _result(member: ConvertedEvent | RejectedEvent, outcome: Published | TidingsError | None) -> JsonResult:
    if isinstance(member, RejectedEvent):
        return JsonResult(outcome=member.error, path=member.path)
    if outcome is None:
        org_id = member.event.org_id
        outcome = PermissionDenied(f"the key is not for organisation {org_id}", {"org_id": str(org_id)})
    return JsonResult(outcome=outcome, path=member.path, warnings=member.warnings)
