"""Running cases: decide, compose, compare. Pure, so a case says the same on every machine and day."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tidings.events import derive_event_id, event_name
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import EvaluationError
from tidings.model import Contact, Delivery, Email, PlannedDelivery, Problem, Severity, Source, State
from tidings.render import RenderError
from tidings.rulebook.book import Rulebook
from tidings.rulebook.compose import ComposeFailed, Unreachable, compose
from tidings.rulebook.testing.cases import Case, Suite, read_tests
from tidings.rulebook.testing.comparing import Difference, Sent, channel_of, compare
from tidings.rulebook.testing.reasons import at, why_nothing
from tidings.rulebook.testing.shapes import Expectation
from tidings.rules import Decision, RuleSet, decide

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one case."""

    case: Case
    differences: tuple[Difference, ...]
    """Empty when the case passed."""
    decision: Decision
    now: int
    """When it was decided, epoch milliseconds."""

    @property
    def passed(self) -> bool:
        """Whether all that was expected went out, and nothing else."""
        return not self.differences


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What came of all cases, in their order."""

    results: tuple[Result, ...]
    problems: tuple[Problem, ...]
    """What is wrong with the tests files, apart from what makes single cases fail."""

    @property
    def failed(self) -> tuple[Result, ...]:
        """The cases that failed."""
        return tuple(each for each in self.results if not each.passed)

    @property
    def passed(self) -> bool:
        """Whether every case passed and every file could be read."""
        return not self.failed and not any(each.severity is Severity.ERROR for each in self.problems)


def run_tests(rulebook: Rulebook, sources: tuple[Source, ...] | None = None) -> Report:
    """Run every case of a rulebook; ``sources`` are its own files unless given, to add those that events come from."""
    return run_suite(rulebook, read_tests(rulebook.sources if sources is None else sources, rulebook.rules))


def run_suite(rulebook: Rulebook, suite: Suite, *, step: Callable[[], object] = lambda: None) -> Report:
    """Run cases that were read before; ``step`` is called after each."""
    results = []
    for case in suite.cases:
        results.append(_run(rulebook, case))
        step()
    warnings = [each for case in suite.cases for each in case.problems if each.severity is Severity.WARNING]
    return Report(results=tuple(results), problems=tuple(sorted((*suite.problems, *warnings))))


def decide_case(rules: RuleSet, case: Case) -> tuple[Decision, int]:
    """Return what the rules say of a case's event, and the time it was decided at; nothing without an event."""
    if case.event is None:
        return Decision(), 0
    now = _moment(rules, case, case.event)
    return decide(rules, case.event, now=now, event_id=_event_id(case.event), everyone=True), now


def _moment(rules: RuleSet, case: Case, event: Event) -> int:
    if case.now is None:
        return event.created_at
    if isinstance(case.now, int):
        return case.now
    when = datetime.fromisoformat(case.now)
    if when.tzinfo is None:
        brand = rules.brands.get(event.org_id)
        when = when.replace(tzinfo=UTC if brand is None else brand.time_zone)
    return (when - _EPOCH) // timedelta(milliseconds=1)


def _event_id(event: Event) -> str:
    return event.event_id or derive_event_id(event)


def _run(rulebook: Rulebook, case: Case) -> Result:
    faults = [_fault(problem) for problem in case.problems if problem.severity is Severity.ERROR]
    decision, now = decide_case(rulebook.rules, case)
    if faults or case.event is None:
        return Result(case=case, differences=tuple(faults), decision=decision, now=now)
    attempt = _Attempt(rulebook, case, case.event, decision, now)
    return Result(case=case, differences=tuple(attempt.differences()), decision=decision, now=now)


def _fault(problem: Problem) -> Difference:
    lines = [f"{problem.message} ({problem.file}:{problem.line}:{problem.column})"]
    return Difference(title=problem.code, lines=(*lines, f"hint: {problem.hint}") if problem.hint else tuple(lines))


class _Attempt:
    """One case under way: what went out, and what did not."""

    def __init__(self, rulebook: Rulebook, case: Case, event: Event, decision: Decision, now: int) -> None:
        self._rulebook = rulebook
        self._case = case
        self._event = event
        self._decision = decision
        self._now = now
        self._unsent: list[tuple[PlannedDelivery, str]] = []
        self._broken: list[Difference] = []

    def differences(self) -> Iterator[Difference]:
        """Yield what failed by itself, then what differs from what was expected."""
        sent = [each for each in map(self._send, self._decision.deliveries) if each is not None]
        for failure in self._decision.failures:
            yield Difference(
                title=f"{failure.rule_id}, rule", lines=(f"failed: {failure.error}",), rule_id=failure.rule_id
            )
        yield from self._broken
        yield from compare(self._case.expect, sent, self._why_nothing)

    def _send(self, planned: PlannedDelivery) -> Sent | None:
        """Compose what would go out; None, with the reason kept, where nothing would."""
        if planned.expires_at is not None and planned.expires_at <= self._now:
            self._unsent.append((planned, f"it expired at {at(planned.expires_at)}, and now is {at(self._now)}"))
            return None
        try:
            message = compose(self._rulebook, self._delivery(planned), self._event, self._contact(planned))
        except (ComposeFailed, RenderError, EvaluationError) as error:
            self._broken.append(
                Difference(
                    title=f"{planned.rule_id}, {planned.channel.value}",
                    lines=(f"cannot be composed: {error}",),
                    rule_id=planned.rule_id,
                    channel=planned.channel,
                )
            )
            return None
        if isinstance(message, Unreachable):
            self._unsent.append((planned, message.reason))
            return None
        if isinstance(message, Email):
            return Sent(delivery=planned, content=message)
        return Sent(delivery=planned, content=json.loads(message.body)["data"])

    def _delivery(self, planned: PlannedDelivery) -> Delivery:
        return Delivery(
            id=planned.id,
            org_id=self._event.org_id,
            event_id=_event_id(self._event),
            event_name=event_name(self._event),
            rule_id=planned.rule_id,
            action=planned.action,
            revision=self._rulebook.revision,
            channel=planned.channel,
            recipient=planned.recipient,
            customer_id=planned.customer_id,
            state=State.SENDING,
            reason="",
            created_at=self._now,
            due_at=planned.due_at,
            expires_at=planned.expires_at,
            attempts=0,
        )

    def _contact(self, planned: PlannedDelivery) -> Contact | None:
        shape = self._case.contact
        if shape is None or planned.customer_id is None:
            return None
        return Contact(
            org_id=self._event.org_id,
            customer_id=planned.customer_id,
            email=shape.email,
            name=shape.name,
            locale=shape.locale,
            time_zone=shape.time_zone,
        )

    def _why_nothing(self, expectation: Expectation) -> str:
        rule, channel = expectation.rule, channel_of(expectation)
        failed = any(failure.rule_id == rule for failure in self._decision.failures)
        if failed or any((each.rule_id, each.channel) == (rule, channel) for each in self._broken):
            return ""
        kept_back = [why for planned, why in self._unsent if (planned.rule_id, planned.channel) == (rule, channel)]
        if kept_back:
            return "; ".join(dict.fromkeys(kept_back))
        return why_nothing(self._rulebook.rules, rule, self._event, self._decision, now=self._now)
