"""Previews as messages, cut to what a caller can take in one answer."""

import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from tidings.authoring.preview import Occasion, Previewed, PreviewedMessage
from tidings.authoring.trial import SentTest
from tidings.errors import FieldViolation, InvalidRequest
from tidings.gateway.v1 import rule_service_pb2 as pb
from tidings.model import Accepted, Deferred, Email, Endpoint, Outcome, Postponed, SecretRef, Source, WebhookCall
from tidings.rpc.contact_convert import contact_from_proto
from tidings.rpc.explanations import evaluation_to_proto

MOST_BYTES: Final = 2_000_000
"""Of messages; clients take 4 MB unless told otherwise, and what the rules say stands beside them."""
_EXPLANATIONS: Final = 1_000_000
_HIDDEN: Final = frozenset({"authorization", "cookie", "proxy-authorization", "x-api-key"})
"""Headers whose value is a secret even where a rulebook writes it out."""


def occasion_from_proto(request: pb.PreviewRequest | pb.SendTestRequest) -> Occasion:
    """Read what a preview, or a test, is of.

    Raises:
        InvalidRequest: the time is none that a calendar has.
    """
    reader = request.WhichOneof("reader")
    return Occasion(
        event=request.event,
        files=[Source(path=each.path, data=each.content) for each in request.files],
        rule_id=request.rule_id or None,
        now=moment_from_proto(request),
        contact=contact_from_proto(request.contact) if reader == "contact" else None,
        customer_id=request.customer_id if reader == "customer_id" else None,
    )


def moment_from_proto(request: pb.EvaluateRequest | pb.PreviewRequest | pb.SendTestRequest) -> int | None:
    """Return when to decide, epoch milliseconds, or None for now; raise InvalidRequest."""
    if not request.HasField("decided_at"):
        return None
    try:
        return request.decided_at.ToMilliseconds()
    except ValueError:
        violation = FieldViolation(field="decided_at", description="is no time between the years 1 and 9999")
        raise InvalidRequest([violation]) from None


def preview_to_proto(previewed: Previewed, *, room: int = MOST_BYTES) -> pb.PreviewResponse:
    """Convert a preview; the messages that do not fit into ``room`` bytes are counted."""
    messages: list[pb.PreviewedMessage] = []
    for each in previewed.messages:
        message = _message_to_proto(each)
        room -= message.ByteSize()
        if messages and room < 0:
            break
        messages.append(message)
    return pb.PreviewResponse(
        evaluation=evaluation_to_proto(previewed.evaluation, room=_EXPLANATIONS),
        messages=messages,
        omitted_messages=len(previewed.messages) - len(messages),
    )


def _message_to_proto(shown: PreviewedMessage) -> pb.PreviewedMessage:
    message = shown.message
    return pb.PreviewedMessage(
        rule_id=shown.delivery.rule_id,
        recipient=str(shown.delivery.recipient),
        problem=shown.problem,
        gathers=shown.gathers,
        email=_email_to_proto(message) if isinstance(message, Email) else None,
        webhook=_webhook_to_proto(message) if isinstance(message, WebhookCall) else None,
    )


def _email_to_proto(email: Email) -> pb.PreviewedEmail:
    return pb.PreviewedEmail(
        sender=email.sender,
        address=email.recipient,
        subject=email.subject,
        preheader=email.preheader,
        text=email.text,
        html=email.html,
        locale=email.locale,
    )


def _webhook_to_proto(call: WebhookCall) -> pb.PreviewedWebhook:
    return pb.PreviewedWebhook(
        endpoint=call.endpoint.name,
        host=urlsplit(call.endpoint.url).netloc,
        type=json.loads(call.body)["type"],
        body=call.body.decode(),
        headers=[pb.PreviewedHeader(name=name, value=value) for name, value in _headers(call)],
    )


def _headers(call: WebhookCall) -> Iterator[tuple[str, str]]:
    """Yield the headers; of a secret only its reference, for a preview reads none."""
    yield "content-type", "application/json"
    yield "webhook-id", call.delivery_id
    yield "webhook-timestamp", "(the seconds of each attempt)"
    yield "webhook-signature", _signature(call.endpoint)
    for name, value in call.endpoint.headers.items():
        if isinstance(value, SecretRef):
            yield name, f"({value})"
        else:
            yield name, "(hidden)" if name.lower() in _HIDDEN else value


def _signature(endpoint: Endpoint) -> str:
    names = " and ".join(str(each) for each in endpoint.secrets)
    return (
        f"(made of id, timestamp and body with {names})" if names else "(none: the endpoint has no secret to sign with)"
    )


def sent_to_proto(sent: SentTest) -> pb.SentTest:
    """Convert what became of a test message."""
    outcome = sent.outcome
    return pb.SentTest(
        rule_id=sent.rule_id,
        recipient=sent.recipient,
        subject=sent.subject,
        outcome=_outcome(outcome),
        status_code=0 if isinstance(outcome, Postponed) else outcome.status_code,
        detail=outcome.detail,
    )


def _outcome(outcome: Outcome) -> str:
    if isinstance(outcome, Postponed):
        return "postponed"
    if isinstance(outcome, Accepted):
        return "accepted"
    return "deferred" if isinstance(outcome, Deferred) else "refused"
