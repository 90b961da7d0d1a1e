"""A preview as lines of text."""

import json
from collections.abc import Iterable, Iterator

from tidings.gateway.v1 import rule_service_pb2 as pb

_MARKS = {pb.VERDICT_MATCHED: "✓", pb.VERDICT_FAILED: "✗"}


def lines(response: pb.PreviewResponse, *, what: str) -> Iterator[str]:
    """Yield a preview line by line: the messages whole, then why the other rules send none."""
    yield heading(response, what=what)
    for number, message in enumerate(response.messages, 1):
        yield ""
        yield f"── {number} of {len(response.messages)}: {title(message)} ──"
        yield from _message(message)
    if response.omitted_messages:
        yield f"\n{response.omitted_messages} more messages did not fit into the gateway's answer; ask for one --rule"
    if not response.messages:
        yield "Nothing would go out."
    reasons = list(silent_rules(response))
    if reasons:
        yield ""
        yield from reasons


def heading(response: pb.PreviewResponse, *, what: str) -> str:
    """Say what was asked, in one line."""
    decided = response.evaluation.decided_at.ToDatetime().isoformat(timespec="seconds")
    return f"{what}, decided at {decided}Z by revision {response.evaluation.revision}"


def title(message: pb.PreviewedMessage) -> str:
    """Name a message by its rule and kind."""
    kind, _, _ = message.recipient.partition(":")
    locale = f" in {message.email.locale}" if message.email.locale else ""
    return f"{message.rule_id}, {'webhook' if kind == 'endpoint' else 'e-mail'}{locale}"


def silent_rules(response: pb.PreviewResponse) -> Iterator[str]:
    """Say why each rule that sends nothing does not, and what failed of those that do."""
    sending = {message.rule_id for message in response.messages}
    for rule in response.evaluation.rules:
        if rule.rule_id not in sending or rule.failures:
            mark = "~" if rule.HasField("near_miss") else _MARKS.get(rule.verdict, "✗")
            yield f"{mark} {rule.rule_id}: {rule.reason}"
    if response.evaluation.omitted_rules:
        yield f"{_rules(response.evaluation.omitted_rules)} for this event besides, not shown"
    if response.evaluation.other_rules:
        verb = "is" if response.evaluation.other_rules == 1 else "are"
        yield f"{_rules(response.evaluation.other_rules)} {verb} for other events"


def facts(message: pb.PreviewedMessage) -> Iterator[tuple[str, str]]:
    """Yield what stands above a message's content: pairs of name and value."""
    email, webhook = message.email, message.webhook
    if message.problem:
        yield "Not sent", message.problem
    if message.gathers:
        yield "Digest", f"{message.gathers}; shown with this event alone"
    if message.HasField("email"):
        yield "From", email.sender
        known = message.recipient == f"address:{email.address}"
        yield "To", email.address if known else f"{email.address or '(no address)'}, {message.recipient}"
        yield "Subject", email.subject
        if email.preheader:
            yield "Preheader", email.preheader
    elif message.HasField("webhook"):
        yield "To", f"{webhook.endpoint} at {webhook.host}"
        yield "Type", webhook.type
        yield from ((header.name, header.value) for header in webhook.headers)
    else:
        yield "To", message.recipient


def body(message: pb.PreviewedMessage) -> str:
    """Return the text part, or the body of a webhook, spread over lines."""
    if message.HasField("webhook"):
        return json.dumps(json.loads(message.webhook.body), indent=2, ensure_ascii=False)
    return message.email.text.rstrip("\n")


def _message(message: pb.PreviewedMessage) -> Iterator[str]:
    yield from _aligned(list(facts(message)))
    if text := body(message):
        yield ""
        yield text


def _aligned(pairs: list[tuple[str, str]]) -> Iterable[str]:
    width = max((len(name) for name, _ in pairs), default=0)
    return (f"{name + ':':<{width + 1}} {value}" for name, value in pairs)


def _rules(count: int) -> str:
    return f"{count} rule" if count == 1 else f"{count} rules"
