"""The gateway's faces: the gRPC services and the HTTP pages, each made of the core's parts."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from tidings.app.core import Core
from tidings.app.role import Role
from tidings.authoring import Evaluate, ExplainEvent, GivenRulebooks, Preview, Reloader, SendTest
from tidings.config import read_secret
from tidings.dispatch import Dispatcher, EndpointsByHand
from tidings.intake import (
    EraseContact,
    KeepingPolicy,
    Preferences,
    Publish,
    PublishJson,
    TakeBounce,
    TakeVendorBody,
    system_clock,
)
from tidings.model import Severity
from tidings.rpc import ContactService, DeliveryService, EventService, GrpcServer, RuleService, open_grpc_server
from tidings.store import Store
from tidings.web import (
    BounceIntake,
    DispatchStanding,
    IntakeSettings,
    ReaderPages,
    Readiness,
    RulebookStanding,
    StatusPages,
    VendorIntake,
    open_http_server,
)


def open_grpc(core: Core, role: Role) -> AbstractAsyncContextManager[GrpcServer]:
    """Return the gRPC listener, not bound yet."""
    store = core.store
    by_hand = EndpointsByHand(core.dispatcher.endpoints, rulebooks=core.rulebooks, store=store, clock=system_clock)
    take_bounce = TakeBounce(store, clock=system_clock)
    return open_grpc_server(
        core.settings.grpc,
        events=EventService(core.publish, store, ExplainEvent(store=store, rulebooks=core.rulebooks)),
        rules=_rule_service(core),
        deliveries=DeliveryService(store, endpoints=by_hand, clock=system_clock, dispatches=role.dispatches),
        contacts=ContactService(store, take_bounce, EraseContact(store, clock=system_clock), clock=system_clock),
        store=store,
        keyring=core.keyring,
        traced=core.traced,
    )


@asynccontextmanager
async def open_status(core: Core, role: Role) -> AsyncIterator[StatusPages]:
    """Make the pages that say how the gateway does."""
    readiness = Readiness(
        store=core.store,
        refused=core.publish.refusals.of_late,
        rulebook=lambda: _rulebook_standing(core.reloader),
        dispatch=_dispatch_standing(core.dispatcher, role),
        clock=system_clock,
        longest_overdue=core.settings.http.longest_overdue,
    )
    status = StatusPages(store=core.store, metrics=core.metrics, readiness=readiness, keyring=core.keyring)
    try:
        yield status
    finally:
        await status.close()


def open_http(core: Core, role: Role, status: StatusPages) -> AbstractAsyncContextManager[int]:
    """Return the HTTP listener, not bound yet; it yields its port."""
    settings = core.settings
    take_bounce = TakeBounce(core.store, clock=system_clock)
    preferences = Preferences(store=core.store, rulebooks=core.rulebooks, box=core.box, clock=system_clock)
    taking_in = (
        *_vendor_intake(settings.intake, core.publish, core.store).routes(),
        *BounceIntake(settings.intake.bounce, take=take_bounce, secrets=read_secret).routes(),
        *ReaderPages(preferences, settings.http).routes(),
    )
    routes = [*status.routes(), *(taking_in if role.takes_in else ())]
    return open_http_server(settings.http, routes, max_body_bytes=settings.intake.max_body_bytes, traced=core.traced)


def _rule_service(core: Core) -> RuleService:
    rulebooks, given = core.rulebooks, GivenRulebooks()
    preview = Preview(rulebooks=rulebooks, given=given, store=core.store, clock=system_clock)
    return RuleService(
        rulebooks=rulebooks,
        reloader=core.reloader,
        given=given,
        evaluate=Evaluate(rulebooks=rulebooks, given=given, clock=system_clock),
        preview=preview,
        membership=core.membership,
        send_test=SendTest(
            preview=preview, rulebooks=rulebooks, email=core.email, webhook=core.webhook, clock=system_clock
        ),
    )


def _vendor_intake(settings: IntakeSettings, publish: Publish, store: Store) -> VendorIntake:
    keeping = KeepingPolicy(
        bodies=settings.keep_rejected,
        length=settings.keep_rejected_bytes,
        milliseconds=int(settings.keep_rejected_for * 1000),
    )
    take = TakeVendorBody(PublishJson(publish), store=store, keeping=keeping, clock=system_clock)
    return VendorIntake(settings, take=take, secrets=read_secret)


def _dispatch_standing(dispatcher: Dispatcher, role: Role) -> Callable[[], DispatchStanding | None]:
    """Say how dispatch does; nothing, where another process dispatches."""
    if not role.dispatches:
        return lambda: None
    return lambda: DispatchStanding(ended=dispatcher.ended, idle_seconds=dispatcher.idle_seconds)


def _rulebook_standing(reloader: Reloader) -> RulebookStanding:
    last = reloader.status
    errors = 0 if last.succeeded else sum(each.severity is Severity.ERROR for each in last.problems)
    return RulebookStanding(revision=last.revision, last_reload_at=last.last_reload_at, errors=errors)
