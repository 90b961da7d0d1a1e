"""From what a rule says of the time of its messages to the compiled form of it, or to what is wrong with it."""

from collections.abc import Iterator, Mapping
from datetime import time
from typing import Final, Literal

from tidings.documents import Document, Path, Report
from tidings.expressions import Expression
from tidings.model import Severity
from tidings.rules.expressions import ExpressionReader, RuleExpressions
from tidings.rules.forms import read_clock_time, read_pause
from tidings.rules.shapes import RuleShape
from tidings.rules.timing import CancelOn, Digest, Rollout, Throttle, Timing
from tidings.rules.timing_shapes import CancelShape, DigestShape, RolloutShape, ThrottleShape, is_clock

_GROUPS: Final[Mapping[str, Literal["customer", "brand"]]] = {"customer": "customer", "brand": "brand"}
"""What is counted or gathered by itself, where it is not an expression."""


class TimingReader:
    """Reads the keys that say when, of one rule."""

    def __init__(self, expressions: ExpressionReader, document: Document, path: Path, report: Report) -> None:
        self._expressions = expressions
        self._document = document
        self._path = path
        self._report = report

    def read(self, shape: RuleShape) -> Timing:
        """Compile them; an expression that is wrong is reported and left out."""
        reader = self._expressions.on(self._document, shape.events, self._report)
        self._find_idle(shape)
        return Timing(
            urgent=shape.urgent,
            delay=0 if shape.delay is None else read_pause(shape.delay),
            send_at=self._send_at(reader, shape.send_at),
            rollout=_rollout(shape),
            throttle=None if shape.throttle is None else self._throttle(reader, shape.throttle),
            cancel_on=tuple(self._cancel_on(shape)),
            digest=None if shape.digest is None else self._digest(reader, shape, shape.digest),
        )

    def _send_at(self, reader: RuleExpressions, text: str | None) -> time | Expression | None:
        if text is None:
            return None
        return read_clock_time(text) if is_clock(text) else reader.value((*self._path, "send_at"), text)

    def _digest(self, reader: RuleExpressions, rule: RuleShape, shape: DigestShape) -> Digest | None:
        for key in ("delay", "send_at"):
            if getattr(rule, key) is not None:
                message, hint = "a digest says itself when it goes", f"leave {key} out, or the digest"
                at: Path = (*self._path, key)
                self._report(self._document.problem(at, key=True, code="invalid-digest", message=message, hint=hint))
        by = _GROUPS.get(shape.by) or reader.value((*self._path, "digest", "by"), shape.by)
        if by is None:
            return None
        clock = None if shape.at is None else read_clock_time(shape.at)
        when = f"window {shape.window}" if clock is None else f"every {shape.every} at {clock:%H:%M}"
        length = read_pause(shape.window or shape.every or "1d")
        return Digest(length=length, at=clock, by=by, text=f"{when} by {shape.by}")

    def _throttle(self, reader: RuleExpressions, shape: ThrottleShape) -> Throttle | None:
        by = _GROUPS.get(shape.by) or reader.value((*self._path, "throttle", "by"), shape.by)
        if by is None:
            return None
        text = f"{shape.limit} in {shape.per} by {shape.by}"
        return Throttle(limit=shape.limit, per=read_pause(shape.per), by=by, text=text)

    def _cancel_on(self, shape: RuleShape) -> Iterator[CancelOn]:
        for path, item in cancel_items(shape):
            if isinstance(item, str):
                yield CancelOn(event=item)
            else:
                reader = self._expressions.on(self._document, (item.event,), self._report)
                yield CancelOn(event=item.event, when=reader.condition((*self._path, *path, "when"), item.when))

    def _find_idle(self, shape: RuleShape) -> None:
        """Warn of what changes nothing."""
        to_customers = any(
            action.email is not None and (action.email.to == "customer" or not isinstance(action.email.to, str))
            for action in shape.notify
            if action is not None
        )
        if shape.urgent and not to_customers:
            self._warn("urgent", "the rule sends no e-mail to customers, and only these keep quiet hours")
        rollout = _rollout(shape)
        if rollout is not None and rollout.percent == 0:
            self._warn("rollout", "a rollout to nobody: the rule never applies")

    def _warn(self, key: str, message: str) -> None:
        hint = "leave it out, or make it say something"
        problem = self._document.problem(
            (*self._path, key), key=True, code="no-effect", message=message, hint=hint, severity=Severity.WARNING
        )
        self._report(problem)


def cancel_items(shape: RuleShape) -> Iterator[tuple[Path, str | CancelShape]]:
    """Yield what ``cancel_on`` names, however it is written, each with its path within the rule."""
    written = shape.cancel_on
    if isinstance(written, tuple):
        yield from ((("cancel_on", position), item) for position, item in enumerate(written))
    elif written is not None:
        yield ("cancel_on",), written


def _rollout(shape: RuleShape) -> Rollout | None:
    written = shape.rollout
    if written is None:
        return None
    if isinstance(written, RolloutShape):
        return Rollout(percent=written.percent, group=written.group or shape.id)
    return Rollout(percent=written, group=shape.id)
