"""What was expected beside what was sent: who answers whom, and the differences line by line.

In every difference a line that begins with ``-`` was expected and one with ``+`` was got.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, Final

from tidings.model import Channel, Email, PlannedDelivery, RecipientKind
from tidings.rulebook.testing.shapes import Expectation, ExpectedEmail, ExpectedWebhook

_MOST_LINES: Final = 40
_LABEL: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A message as it would have gone out."""

    delivery: PlannedDelivery
    content: Email | dict[str, Any]
    """The e-mail, or the data of the webhook."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One way in which a case failed."""

    title: str
    """What it is about: rule and channel, or the event."""
    lines: tuple[str, ...]
    rule_id: str = ""
    channel: Channel | None = None


def compare(
    expected: Sequence[Expectation], sent: Sequence[Sent], why_nothing: Callable[[Expectation], str]
) -> Iterator[Difference]:
    """Yield every difference: first those of the expectations, in their order, then what nobody expected.

    ``why_nothing`` says why an expectation has no message; empty, when that was told already.
    """
    answers = _pair(expected, sent)
    for position, expectation in enumerate(expected):
        found = answers.get(position)
        if found is not None:
            lines = list(_differences(expectation, sent[found]))
        elif reason := why_nothing(expectation):
            lines = _pairs("", ["a message"], [f"nothing: {reason}"])
        else:
            continue
        if lines:
            yield _difference(expectation.rule, channel_of(expectation), _endpoint(expectation), lines)
    answered = set(answers.values())
    for index, each in enumerate(sent):
        if index not in answered:
            delivery = each.delivery
            name = delivery.recipient.name if delivery.channel is Channel.WEBHOOK else ""
            yield _difference(
                delivery.rule_id, delivery.channel, name, _pairs("", ["nothing"], [f"a message: {_brief(each)}"])
            )


def channel_of(expectation: Expectation) -> Channel:
    """Return the channel an expectation is about."""
    return Channel.WEBHOOK if expectation.email is None else Channel.EMAIL


def _pair(expected: Sequence[Expectation], sent: Sequence[Sent]) -> dict[int, int]:
    """Give each expectation, as far as they go round, a message of its rule and channel; one that meets it if it can.

    The first round pairs as many as possible that fit without a difference, so that a vague expectation never takes
    the message that only an exact one goes with; what is left is paired in order, to show the differences.
    """
    alike = [[index for index, each in enumerate(sent) if _same_kind(expectation, each)] for expectation in expected]
    fitting = [
        [index for index in indices if not any(_differences(expectation, sent[index]))]
        for expectation, indices in zip(expected, alike, strict=True)
    ]
    taken: dict[int, int] = {}
    for position in range(len(expected)):
        _find_place(position, fitting, taken, set())
    answers = {position: index for index, position in taken.items()}
    for position, indices in enumerate(alike):
        free = [index for index in indices if index not in taken]
        if position not in answers and free:
            answers[position] = free[0]
            taken[free[0]] = position
    return answers


def _find_place(position: int, fitting: Sequence[Sequence[int]], taken: dict[int, int], tried: set[int]) -> bool:
    """Find a message for one more expectation, moving others along where they have a choice."""
    for index in fitting[position]:
        if index not in tried:
            tried.add(index)
            if index not in taken or _find_place(taken[index], fitting, taken, tried):
                taken[index] = position
                return True
    return False


def _same_kind(expectation: Expectation, sent: Sent) -> bool:
    return expectation.rule == sent.delivery.rule_id and channel_of(expectation) is sent.delivery.channel


def _differences(expectation: Expectation, sent: Sent) -> Iterator[str]:
    if isinstance(sent.content, Email):
        yield from _of_email(expectation.email or ExpectedEmail(), sent.delivery, sent.content)
    else:
        yield from _of_webhook(expectation.webhook or ExpectedWebhook(), sent.delivery, sent.content)


def _of_email(expected: ExpectedEmail, delivery: PlannedDelivery, email: Email) -> Iterator[str]:
    if expected.to == "customer":
        if delivery.recipient.kind is not RecipientKind.CUSTOMER:
            yield from _pairs("to", ["customer"], [email.recipient])
    elif expected.to is not None and expected.to != email.recipient:
        yield from _pairs("to", [expected.to], [email.recipient])
    if expected.subject is not None and expected.subject != email.subject:
        yield from _pairs("subject", [expected.subject], [email.subject])
    # Where a line ends is the wrapping's affair.
    flowing = " ".join(email.text.split())
    missing = [text for text in expected.texts if " ".join(text.split()) not in flowing]
    if missing:
        yield from _pairs(
            "text", [f"contains {json.dumps(text, ensure_ascii=False)}" for text in missing], _cut(email.text)
        )


def _of_webhook(expected: ExpectedWebhook, delivery: PlannedDelivery, data: dict[str, Any]) -> Iterator[str]:
    if expected.to is not None and expected.to != delivery.recipient.name:
        yield from _pairs("to", [expected.to], [delivery.recipient.name])
    if expected.body is not None and not same(expected.body, data):
        yield from _labelled("body", _json_lines(expected.body, data))


def same(left: Any, right: Any) -> bool:
    """Say whether two JSON values are the same: numbers by value, and true is not 1."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    return bool(left == right)


def _json_lines(expected: Any, got: Any) -> list[str]:
    """Return both values as JSON, merged: what is alike once, and what differs marked."""
    left, right = _pretty(expected), _pretty(got)
    lines = []
    for kind, start, end, start_got, end_got in SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [f"  {line}" for line in left[start:end]]
        else:
            lines += [f"- {line}" for line in left[start:end]] + [f"+ {line}" for line in right[start_got:end_got]]
    return lines


def _pretty(value: Any) -> list[str]:
    """Write JSON a value a line; commas would make lines differ that say the same."""
    text = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False, separators=("", ": "))
    return text.split("\n")


def _pairs(label: str, expected: Sequence[str], got: Sequence[str]) -> list[str]:
    marked = [f"- {line}" for line in expected] + [f"+ {line}".rstrip() for line in got]
    return _labelled(label, marked) if label else marked


def _labelled(label: str, lines: Sequence[str]) -> list[str]:
    """Put a label before the first line and indent the others to stand under it."""
    head = f"{label}:".ljust(_LABEL)
    return [(head if number == 0 else " " * _LABEL) + line for number, line in enumerate(lines)]


def _cut(text: str) -> list[str]:
    lines = text.strip().splitlines()
    if len(lines) <= _MOST_LINES:
        return lines
    return [*lines[:_MOST_LINES], f"… and {len(lines) - _MOST_LINES} more lines"]


def _brief(sent: Sent) -> str:
    if isinstance(sent.content, Email):
        return f"to {sent.content.recipient}, {json.dumps(sent.content.subject, ensure_ascii=False)}"
    return json.dumps(sent.content, ensure_ascii=False, sort_keys=True)


def _endpoint(expectation: Expectation) -> str:
    return (expectation.webhook.to or "") if expectation.webhook is not None else ""


def _difference(rule_id: str, channel: Channel, endpoint: str, lines: Sequence[str]) -> Difference:
    to = f" to {endpoint}" if endpoint else ""
    return Difference(title=f"{rule_id}, {channel.value}{to}", lines=tuple(lines), rule_id=rule_id, channel=channel)
