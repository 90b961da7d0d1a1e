"""What each method takes: a permission, and whose things it touches. A method that is not in the table is refused."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tidings.access import Permission, Principal
from tidings.errors import NotFound
from tidings.gateway.v1 import rule_service_pb2 as rules_pb
from tidings.store import Store

_PACKAGE: Final = "tidings.gateway.v1"


def _no_orgs(_: Any) -> Collection[int]:
    return ()


def _no_deliveries(_: Any) -> Sequence[str]:
    return ()


def _nothing_after(_: Principal, __: Any) -> None:
    """Leave the response as it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """What a method takes of its caller."""

    permission: Permission
    orgs: Callable[[Any], Collection[int] | None] = _no_orgs
    """The organisations that a request is about; None: all there are."""
    deliveries: Callable[[Any], Sequence[str]] = _no_deliveries
    """The deliveries that a request names without their organisation."""
    after: Callable[[Principal, Any], None] = _nothing_after
    """Takes out of a response what is not the caller's."""
    audited: bool = False
    """Whether the log keeps who did it."""


def _of_event(request: Any) -> Collection[int]:
    return (request.event.org_id,)


def _of_field(request: Any) -> Collection[int]:
    return (request.org_id,)


def _of_filter(request: Any) -> Collection[int] | None:
    """Read a filter in which no organisation stands for every one."""
    return (request.org_id,) if request.org_id else None


def _of_optional_filter(request: Any) -> Collection[int] | None:
    return (request.org_id,) if request.HasField("org_id") else None


def _of_all(_: Any) -> None:
    """Say that a request is about the gateway as a whole."""


def _of_retried(request: Any) -> Collection[int] | None:
    return () if request.delivery_ids else _of_filter(request.selection)


def _of_contacts(request: Any) -> Collection[int]:
    return {each.org_id for each in request.contacts}


def _own_rules(caller: Principal, response: rules_pb.ListRulesResponse) -> None:
    own = [each for each in response.rules if not each.org_ids or any(caller.owns(org) for org in each.org_ids)]
    for each in own:
        each.org_ids[:] = [org for org in each.org_ids if caller.owns(org)]
    del response.rules[:]
    response.rules.extend(own)


def _own_explanations(_: Principal, response: rules_pb.EvaluateResponse) -> None:
    own = [each for each in response.rules if each.verdict != rules_pb.VERDICT_OTHER_ORGANISATION]
    del response.rules[:]
    response.rules.extend(own)


def _own_preview(caller: Principal, response: rules_pb.PreviewResponse) -> None:
    _own_explanations(caller, response.evaluation)


def _own_explanation(caller: Principal, response: Any) -> None:
    _own_explanations(caller, response.explanation)


def _no_problems(_: Principal, response: Any) -> None:
    """Take out problems: they name files and rules of every brand."""
    response.ClearField("problems")


_DELIVERY_ID: Final = lambda request: (request.delivery_id,)  # noqa: E731 (a cell of the table)

ACCESS: Final[Mapping[str, Access]] = {
    f"/{_PACKAGE}.{name}": access
    for name, access in {
        "EventService/Publish": Access(permission=Permission.PUBLISH, orgs=_of_event),
        "EventService/PublishBatch": Access(
            permission=Permission.PUBLISH, orgs=lambda request: {each.org_id for each in request.events}
        ),
        "EventService/PublishStream": Access(permission=Permission.PUBLISH, orgs=_of_event),
        # What a body's events are about is known once it is converted; the handler asks then.
        "EventService/PublishJson": Access(permission=Permission.PUBLISH),
        "EventService/GetEvent": Access(permission=Permission.READ, orgs=_of_field),
        "EventService/ListEvents": Access(permission=Permission.READ, orgs=_of_optional_filter),
        "EventService/ExplainEvent": Access(permission=Permission.READ, orgs=_of_field, after=_own_explanation),
        "EventService/ListRejectedBodies": Access(permission=Permission.READ, orgs=_of_all),
        "RuleService/GetRulebook": Access(permission=Permission.READ, after=_no_problems),
        # Names of machines and releases are the business of those who run the gateway.
        "RuleService/ListGateways": Access(permission=Permission.READ, orgs=_of_all),
        "RuleService/ListRules": Access(permission=Permission.READ, after=_own_rules),
        "RuleService/CheckRules": Access(permission=Permission.READ),
        "RuleService/Evaluate": Access(permission=Permission.READ, orgs=_of_event, after=_own_explanations),
        # Whoever names a customer to preview for, or to test with, needs contacts besides; the handler asks.
        "RuleService/Preview": Access(permission=Permission.READ, orgs=_of_event, after=_own_preview),
        "RuleService/SendTest": Access(permission=Permission.OPERATE, orgs=_of_event, audited=True),
        "RuleService/ReloadRules": Access(permission=Permission.OPERATE, orgs=_of_all, audited=True),
        "DeliveryService/GetDelivery": Access(permission=Permission.READ, deliveries=_DELIVERY_ID),
        "DeliveryService/ListDeliveries": Access(permission=Permission.READ, orgs=_of_filter),
        "DeliveryService/WatchDeliveries": Access(permission=Permission.READ, orgs=_of_filter),
        "DeliveryService/RetryDeliveries": Access(
            permission=Permission.OPERATE,
            orgs=_of_retried,
            deliveries=lambda request: list(request.delivery_ids),
            audited=True,
        ),
        "DeliveryService/CancelDelivery": Access(permission=Permission.OPERATE, deliveries=_DELIVERY_ID, audited=True),
        "DeliveryService/ListEndpoints": Access(permission=Permission.READ, orgs=_of_filter),
        "DeliveryService/EnableEndpoint": Access(permission=Permission.OPERATE, orgs=_of_field, audited=True),
        "ContactService/UpsertContacts": Access(permission=Permission.CONTACTS, orgs=_of_contacts, audited=True),
        "ContactService/GetContact": Access(permission=Permission.CONTACTS, orgs=_of_field),
        "ContactService/ListContacts": Access(permission=Permission.CONTACTS, orgs=_of_optional_filter),
        "ContactService/SetConsent": Access(permission=Permission.CONTACTS, orgs=_of_field, audited=True),
        "ContactService/EraseContact": Access(permission=Permission.CONTACTS, orgs=_of_field, audited=True),
        "ContactService/ListSuppressions": Access(permission=Permission.CONTACTS, orgs=_of_optional_filter),
        "ContactService/AddSuppression": Access(permission=Permission.CONTACTS, orgs=_of_field, audited=True),
        "ContactService/RemoveSuppression": Access(permission=Permission.CONTACTS, orgs=_of_field, audited=True),
        # Whose delivery it is about is known once it is read.
        "ContactService/ReportBounce": Access(permission=Permission.CONTACTS, orgs=_of_all, audited=True),
    }.items()
}
"""By gRPC's name of the method."""


async def check(access: Access, caller: Principal, request: Any, store: Store) -> None:
    """Raise PermissionDenied, or NotFound for deliveries that are not the caller's, which do not exist for it."""
    caller.require(access.permission)
    if caller.orgs is None:
        return
    orgs = access.orgs(request)
    if orgs is None:
        caller.require_every_org()
    else:
        caller.require_orgs(orgs)
    for name in access.deliveries(request):
        found = await store.get_delivery(name)
        if found is None or not caller.owns(found[0].org_id):
            raise NotFound("delivery", name)


def touched(access: Access, request: Any) -> dict[str, Iterable[Any] | str]:
    """Say for the log what a request is about: organisations and deliveries, nothing personal."""
    orgs = access.orgs(request)
    return {"orgs": "all" if orgs is None else sorted(orgs), "deliveries": access.deliveries(request)[:10]}
