"""ContactService: who customers are, what they agreed to, and whose address must not be used."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import grpc

from tidings.errors import FieldViolation, InvalidRequest, NotFound
from tidings.gateway.v1 import contact_service_pb2 as pb
from tidings.gateway.v1 import contact_service_pb2_grpc as pb_grpc
from tidings.intake import EraseContact, TakeBounce
from tidings.model import ConsentSource, Contact, SuppressionReason, contact_faults, is_address, marked, new_suppression
from tidings.rpc.contact_convert import (
    bounce_to_proto,
    contact_from_proto,
    contact_to_proto,
    erasure_to_proto,
    reason_from_proto,
    source_from_proto,
    suppression_to_proto,
)
from tidings.rpc.paging import page_size_of
from tidings.store import Store, SuppressionFilter

Context = grpc.aio.ServicerContext[Any, Any]

MAX_CONTACTS: Final = 1_000
_LONGEST_DETAIL: Final = 500
_MOST_ADDRESSES: Final = 50


class ContactService(pb_grpc.ContactServiceServicer):
    """Keeps the contact directory and the list of suppressed addresses."""

    def __init__(self, store: Store, take_bounce: TakeBounce, erase: EraseContact, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._erase = erase
        self._take_bounce = take_bounce
        self._clock = clock

    async def UpsertContacts(  # noqa: N802 (gRPC's name)
        self,
        request: pb.UpsertContactsRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.UpsertContactsResponse:
        """Store contacts, all or none."""
        if len(request.contacts) > MAX_CONTACTS:
            raise _invalid(
                "contacts",
                f"at most {MAX_CONTACTS} contacts fit one call, got {len(request.contacts)}; send several calls",
            )
        source, now = source_from_proto(request.consent_source), self._clock()
        contacts = [marked(contact_from_proto(each), source, now=now) for each in request.contacts]
        if violations := list(_violations(contacts)):
            raise InvalidRequest(violations)
        await self._store.upsert_contacts(contacts)
        return pb.UpsertContactsResponse(upserted=len(contacts))

    async def GetContact(  # noqa: N802 (gRPC's name)
        self,
        request: pb.GetContactRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.GetContactResponse:
        """Return one contact."""
        contact = await self._store.get_contact(request.org_id, request.customer_id)
        if contact is None:
            raise NotFound("contact", f"{request.org_id}/{request.customer_id}")
        return pb.GetContactResponse(contact=contact_to_proto(contact))

    async def ListContacts(  # noqa: N802 (gRPC's name)
        self,
        request: pb.ListContactsRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.ListContactsResponse:
        """List contacts in order."""
        page = await self._store.list_contacts(
            request.org_id if request.HasField("org_id") else None,
            page_size=page_size_of(request.page_size),
            page_token=request.page_token,
        )
        return pb.ListContactsResponse(
            contacts=[contact_to_proto(each) for each in page.contacts], next_page_token=page.next_token
        )

    async def SetConsent(  # noqa: N802 (gRPC's name)
        self,
        request: pb.SetConsentRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.SetConsentResponse:
        """Note what a customer said."""
        if not request.category:
            raise _invalid("category", "must not be empty")
        said = Contact(
            org_id=request.org_id, customer_id=request.customer_id, consents={request.category: request.agreed}
        )
        if faults := list(contact_faults(said)):
            raise InvalidRequest(
                [FieldViolation(field=_consent_field(field), description=text) for field, text in faults]
            )
        try:
            await self._store.upsert_contacts([marked(said, ConsentSource.API, now=self._clock())])
        except InvalidRequest as error:
            raise _invalid("category", error.violations[0].description) from error
        contact = await self._store.get_contact(said.org_id, said.customer_id)
        return pb.SetConsentResponse(contact=contact_to_proto(contact or said))

    async def EraseContact(  # noqa: N802 (gRPC's name)
        self,
        request: pb.EraseContactRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.EraseContactResponse:
        """Forget a customer."""
        if not request.customer_id:
            raise _invalid("customer_id", "must not be empty")
        if len(request.addresses) > _MOST_ADDRESSES:
            raise _invalid("addresses", f"must be at most {_MOST_ADDRESSES}, are {len(request.addresses)}")
        addresses = tuple(_address(each, field="addresses").strip() for each in request.addresses)
        done = await self._erase(_org(request.org_id), request.customer_id, addresses=addresses)
        return erasure_to_proto(done)

    async def ListSuppressions(  # noqa: N802 (gRPC's name)
        self,
        request: pb.ListSuppressionsRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.ListSuppressionsResponse:
        """List addresses that must not be used."""
        wanted = SuppressionFilter(
            org_id=request.org_id if request.HasField("org_id") else None, reason=reason_from_proto(request.reason)
        )
        page = await self._store.list_suppressions(
            wanted, page_size=page_size_of(request.page_size), page_token=request.page_token
        )
        return pb.ListSuppressionsResponse(
            suppressions=[suppression_to_proto(each) for each in page.suppressions], next_page_token=page.next_token
        )

    async def AddSuppression(  # noqa: N802 (gRPC's name)
        self,
        request: pb.AddSuppressionRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.AddSuppressionResponse:
        """Put an address on the list."""
        now = self._clock()
        suppression = new_suppression(
            _org(request.org_id),
            _address(request.address),
            reason_from_proto(request.reason) or SuppressionReason.MANUAL,
            now=now,
            detail=request.detail[:_LONGEST_DETAIL],
            lasting_ms=_lasting(request, now) if request.HasField("expires_at") else None,
        )
        await self._store.suppress([suppression])
        return pb.AddSuppressionResponse(suppression=suppression_to_proto(suppression))

    async def RemoveSuppression(  # noqa: N802 (gRPC's name)
        self,
        request: pb.RemoveSuppressionRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.RemoveSuppressionResponse:
        """Take an address off the list."""
        reason = reason_from_proto(request.reason)
        removed = await self._store.lift(_org(request.org_id), _address(request.address), reason=reason)
        if not removed:
            raise NotFound("suppression", f"{request.org_id}/{request.address}")
        return pb.RemoveSuppressionResponse(removed=removed)

    async def ReportBounce(  # noqa: N802 (gRPC's name)
        self,
        request: pb.ReportBounceRequest,
        context: Context,  # noqa: ARG002 (gRPC's signature)
    ) -> pb.ReportBounceResponse:
        """Take a message that came back."""
        return bounce_to_proto(await self._take_bounce(request.message))


def _violations(contacts: Sequence[Contact]) -> Iterator[FieldViolation]:
    for position, contact in enumerate(contacts):
        for field, description in contact_faults(contact):
            yield FieldViolation(field=f"contacts[{position}].{field}", description=description)


def _consent_field(field: str) -> str:
    return "category" if field.startswith("consents") else field


def _org(org_id: int) -> int:
    if org_id < 0:
        raise _invalid("org_id", f"must not be negative, got {org_id}")
    return org_id


def _address(text: str, *, field: str = "address") -> str:
    if not is_address(text.strip()):
        raise _invalid(field, "is not an e-mail address such as member@example.com")
    return text


def _lasting(request: pb.AddSuppressionRequest, now: int) -> int:
    lasting = request.expires_at.ToMilliseconds() - now
    if lasting <= 0:
        raise _invalid("expires_at", "must lie in the future")
    return lasting


def _invalid(field: str, description: str) -> InvalidRequest:
    return InvalidRequest([FieldViolation(field=field, description=description)])
