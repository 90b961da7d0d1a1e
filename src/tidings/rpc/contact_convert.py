"""Between ContactService's messages and our values, both ways."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Final

from tidings.errors import FieldViolation, InvalidRequest
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.intake import BounceAnswer
from tidings.model import ConsentSource, Contact, Suppression, SuppressionReason
from tidings.rpc.convert import timestamp
from tidings.store import Erasure

REASONS: Final[Mapping[SuppressionReason, pb.SuppressionReason.ValueType]] = {
    reason: pb.SuppressionReason.Value(f"SUPPRESSION_REASON_{reason.name}") for reason in SuppressionReason
}
SOURCES: Final[Mapping[ConsentSource, pb.ConsentSource.ValueType]] = {
    source: pb.ConsentSource.Value(f"CONSENT_SOURCE_{source.name}") for source in ConsentSource
}
_GIVEN: Final[Mapping[int, ConsentSource]] = {
    pb.CONSENT_SOURCE_UNSPECIFIED: ConsentSource.API,
    pb.CONSENT_SOURCE_API: ConsentSource.API,
    pb.CONSENT_SOURCE_IMPORT: ConsentSource.IMPORT,
}
_BY_NUMBER: Final[Mapping[int, SuppressionReason]] = {number: reason for reason, number in REASONS.items()}


def contact_from_proto(message: pb.Contact) -> Contact:
    """Convert a contact; a field that was not sent is None, one that was sent empty is empty."""
    return Contact(
        org_id=message.org_id,
        customer_id=message.customer_id,
        email=message.email if message.HasField("email") else None,
        name=message.name if message.HasField("name") else None,
        locale=message.locale if message.HasField("locale") else None,
        time_zone=message.time_zone if message.HasField("time_zone") else None,
        consents=dict(message.consents),
        attributes=dict(message.attributes),
    )


def contact_to_proto(contact: Contact) -> pb.Contact:
    """Convert a contact."""
    return pb.Contact(
        org_id=contact.org_id,
        customer_id=contact.customer_id,
        email=contact.email,
        name=contact.name,
        locale=contact.locale,
        time_zone=contact.time_zone,
        consents=contact.consents,
        attributes=contact.attributes,
        consent_marks={
            category: pb.ConsentMark(source=SOURCES[mark.source], at=timestamp(mark.at))
            for category, mark in contact.consent_marks.items()
        },
    )


def source_from_proto(number: int) -> ConsentSource:
    """Convert where an upsert's consents come from; raise InvalidRequest for what only readers themselves can be."""
    if number not in _GIVEN:
        raise InvalidRequest([FieldViolation(field="consent_source", description="must be API or IMPORT")])
    return _GIVEN[number]


def suppression_to_proto(suppression: Suppression) -> pb.Suppression:
    """Convert a suppression."""
    return pb.Suppression(
        org_id=suppression.org_id,
        address=suppression.address or "",
        reason=REASONS[suppression.reason],
        detail=suppression.detail,
        created_at=timestamp(suppression.created_at),
        expires_at=None if suppression.expires_at is None else timestamp(suppression.expires_at),
    )


def bounce_to_proto(answer: BounceAnswer) -> pb.ReportBounceResponse:
    """Convert the answer to a message that came back."""
    return pb.ReportBounceResponse(
        verdict=pb.BounceVerdict.Value(f"BOUNCE_VERDICT_{answer.verdict.name}"),
        explanation=answer.explanation,
        delivery_id="" if answer.delivery is None else answer.delivery.id,
        org_id=None if answer.delivery is None else answer.delivery.org_id,
    )


def erasure_to_proto(erasure: Erasure) -> pb.EraseContactResponse:
    """Convert how much was erased."""
    return pb.EraseContactResponse(**asdict(erasure))


def reason_from_proto(number: int) -> SuppressionReason | None:
    """Convert a reason, None for one that is not specified; raise InvalidRequest for a number that is none."""
    if number and number not in _BY_NUMBER:
        raise InvalidRequest([FieldViolation(field="reason", description=f"{number} is no reason")])
    return _BY_NUMBER.get(number)
