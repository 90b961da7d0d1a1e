"""The one place that wires the gateway: in a straight line, closed in reverse."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidings.access import AuthSettings, InvalidKeyFile, KeyFile, Keyring, follow_keys
from tidings.app.reader_links import link_maker, token_box
from tidings.app.role import Role
from tidings.authoring import (
    Evaluate,
    ExplainEvent,
    GivenRulebooks,
    Preview,
    Reloader,
    SendTest,
    compile_folder,
    fingerprint,
)
from tidings.channels import EmailChannel, WebhookChannel, open_email_channel, open_webhook_channel
from tidings.config import Settings, TraceSettings, read_secret
from tidings.dispatch import Dispatcher, EndpointsByHand, keep_retention
from tidings.errors import InvalidConfiguration
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
from tidings.model import Endpoint, Severity
from tidings.rpc import ContactService, DeliveryService, EventService, GrpcServer, RuleService, open_grpc_server
from tidings.rulebook import ReadPast, Rulebook, Rulebooks, alerts, endpoint_disabled, load, pack, unpack
from tidings.store import Revision, Store, open_store
from tidings.telemetry import Metrics
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

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.dispatch.tracing import DeliveryTraces
    from tidings.intake.tracing import PublishTraces
    from tidings.telemetry.traces import Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A running gateway, or the part of one that its role names."""

    grpc_port: int
    """0 where the role has no gRPC."""
    http_port: int
    rulebooks: Rulebooks
    reloader: Reloader
    grpc: GrpcServer | None
    status: StatusPages
    store: Store
    dispatching: asyncio.Task[None]
    stop_dispatch: asyncio.Event

    async def start_serving(self) -> None:
        """Let health and readiness say that events are welcome."""
        self.status.serving = True
        if self.grpc is not None:
            await self.grpc.set_serving(True)

    async def turn_away(self) -> None:
        """Let health and readiness ask for calls to go elsewhere; those that come are answered all the same."""
        self.status.serving = False
        if self.grpc is not None:
            await self.grpc.set_serving(False)

    async def stop_intake(self, *, grace: float) -> None:
        """Refuse new events, and let those under way commit within ``grace`` seconds."""
        self.status.serving = False
        if self.grpc is not None:
            await self.grpc.stop(grace=grace)

    async def drain(self) -> None:
        """Settle what dispatch has under way, bounded in time."""
        self.stop_dispatch.set()
        await self.dispatching


def load_rulebook(settings: Settings) -> Rulebook:
    """Read and compile the configured rulebook.

    Raises:
        InvalidConfiguration: the folder cannot be read.
        tidings.rulebook.InvalidRulebook: with every problem.
    """
    try:
        return compile_folder(settings.rules, secrets=read_secret)
    except OSError as error:
        message = f"rules: the rulebook's folder {settings.rules} cannot be read: {error.strerror or error}"
        raise InvalidConfiguration(message) from error


@asynccontextmanager
async def open_gateway(settings: Settings, *, role: Role = Role.ALL) -> AsyncIterator[Gateway]:
    """Open what the role takes, bind, and dispatch; serving is announced by ``start_serving``."""
    loaded = fingerprint(settings.rules)
    rulebook = load_rulebook(settings)
    metrics = Metrics()
    async with AsyncExitStack() as closing:
        traces = await closing.enter_async_context(_open_traces(settings.traces))
        store = await closing.enter_async_context(open_store(settings.store))
        await store.save_revision(
            Revision(id=rulebook.revision, created_at=system_clock(), archive=pack(rulebook.sources))
        )
        rulebooks = Rulebooks(rulebook, read_past=_past_reader(store))
        reloader = Reloader(
            settings.rules,
            rulebooks=rulebooks,
            store=store,
            secrets=read_secret,
            metrics=metrics,
            clock=system_clock,
            loaded=loaded,
        )
        keyring = await closing.enter_async_context(_open_keyring(settings.auth))
        email = await closing.enter_async_context(open_email_channel(settings.email, read_secret, metrics=metrics))
        webhook = await closing.enter_async_context(open_webhook_channel(settings.webhook, read_secret))
        publish = Publish(store=store, rulebooks=rulebooks, metrics=metrics, traces=_publish_traces(traces))
        box = token_box(settings.unsubscribe)
        dispatcher = Dispatcher(
            store=store,
            rulebooks=rulebooks,
            email=email,
            webhook=webhook,
            metrics=metrics,
            clock=system_clock,
            settings=settings.dispatch,
            on_disabled=_announcer(publish, rulebooks),
            traces=_delivery_traces(traces),
            links=link_maker(settings, box),
        )
        events = EventService(publish, store, ExplainEvent(store=store, rulebooks=rulebooks))
        rules = _rule_service(rulebooks, reloader, store, email, webhook)
        by_hand = EndpointsByHand(dispatcher.endpoints, rulebooks=rulebooks, store=store, clock=system_clock)
        deliveries = DeliveryService(store, endpoints=by_hand, clock=system_clock, dispatches=role.dispatches)
        take_bounce = TakeBounce(store, clock=system_clock)
        contacts = ContactService(store, take_bounce, EraseContact(store, clock=system_clock), clock=system_clock)
        listener = open_grpc_server(
            settings.grpc,
            events=events,
            rules=rules,
            deliveries=deliveries,
            contacts=contacts,
            store=store,
            keyring=keyring,
            traced=traces is not None,
        )
        grpc = await closing.enter_async_context(listener) if role.takes_in else None
        readiness = Readiness(
            store=store,
            rulebook=lambda: _rulebook_standing(reloader),
            dispatch=_dispatch_standing(dispatcher, role),
            clock=system_clock,
            longest_overdue=settings.http.longest_overdue,
        )
        status = StatusPages(store=store, metrics=metrics, readiness=readiness, keyring=keyring)
        closing.push_async_callback(status.close)
        bounces = BounceIntake(settings.intake.bounce, take=take_bounce, secrets=read_secret)
        preferences = Preferences(store=store, rulebooks=rulebooks, box=box, clock=system_clock)
        readers = ReaderPages(preferences, settings.http)
        vendors = _vendor_intake(settings.intake, publish, store)
        taking_in = (*vendors.routes(), *bounces.routes(), *readers.routes())
        routes = [*status.routes(), *(taking_in if role.takes_in else ())]
        http_port = await closing.enter_async_context(
            open_http_server(
                settings.http, routes, max_body_bytes=settings.intake.max_body_bytes, traced=traces is not None
            )
        )
        stop = asyncio.Event()
        work = dispatcher.run(stop) if role.dispatches else _leave_to_others(stop)
        dispatching = asyncio.create_task(work, name="dispatch")
        closing.push_async_callback(_finish, dispatching, stop)
        if role.dispatches:
            purging = keep_retention(store, settings.retention, clock=system_clock)
            closing.push_async_callback(_cancel, asyncio.create_task(purging, name="retention"))
        if settings.reload.every:
            watching = asyncio.create_task(reloader.watch(every=settings.reload.every), name="rulebook watch")
            closing.push_async_callback(_cancel, watching)
        yield Gateway(
            grpc_port=0 if grpc is None else grpc.port,
            http_port=http_port,
            rulebooks=rulebooks,
            reloader=reloader,
            grpc=grpc,
            status=status,
            store=store,
            dispatching=dispatching,
            stop_dispatch=stop,
        )


@asynccontextmanager
async def _open_traces(settings: TraceSettings) -> AsyncIterator["Traces | None"]:
    """Open the way to the collector; None where none is configured, and then OpenTelemetry is not even imported."""
    if settings.endpoint is None:
        yield None
        return
    try:
        from tidings.telemetry.traces import open_traces  # noqa: PLC0415 (an extra)
    except ImportError as error:
        message = "traces.endpoint: tracing wants OpenTelemetry; install tidings[traces], or leave traces.endpoint out"
        raise InvalidConfiguration(message) from error
    async with open_traces(endpoint=settings.endpoint, sample=settings.sample) as traces:
        yield traces


def _publish_traces(traces: "Traces | None") -> "PublishTraces | None":
    if traces is None:
        return None
    from tidings.intake.tracing import PublishTraces  # noqa: PLC0415 (an extra)

    return PublishTraces(traces)


def _delivery_traces(traces: "Traces | None") -> "DeliveryTraces | None":
    if traces is None:
        return None
    from tidings.dispatch.tracing import DeliveryTraces  # noqa: PLC0415 (an extra)

    return DeliveryTraces(traces)


def _dispatch_standing(dispatcher: Dispatcher, role: Role) -> Callable[[], DispatchStanding | None]:
    """Say how dispatch does; nothing, where another process dispatches."""
    if not role.dispatches:
        return lambda: None
    return lambda: DispatchStanding(ended=dispatcher.ended, idle_seconds=dispatcher.idle_seconds)


def _rulebook_standing(reloader: Reloader) -> RulebookStanding:
    last = reloader.status
    errors = 0 if last.succeeded else sum(each.severity is Severity.ERROR for each in last.problems)
    return RulebookStanding(revision=last.revision, last_reload_at=last.last_reload_at, errors=errors)


def _rule_service(
    rulebooks: Rulebooks, reloader: Reloader, store: Store, email: EmailChannel, webhook: WebhookChannel
) -> RuleService:
    given = GivenRulebooks()
    preview = Preview(rulebooks=rulebooks, given=given, store=store, clock=system_clock)
    return RuleService(
        rulebooks=rulebooks,
        reloader=reloader,
        given=given,
        evaluate=Evaluate(rulebooks=rulebooks, given=given, clock=system_clock),
        preview=preview,
        send_test=SendTest(preview=preview, rulebooks=rulebooks, email=email, webhook=webhook, clock=system_clock),
    )


def _vendor_intake(settings: IntakeSettings, publish: Publish, store: Store) -> VendorIntake:
    keeping = KeepingPolicy(
        bodies=settings.keep_rejected,
        length=settings.keep_rejected_bytes,
        milliseconds=int(settings.keep_rejected_for * 1000),
    )
    take = TakeVendorBody(PublishJson(publish), store=store, keeping=keeping, clock=system_clock)
    return VendorIntake(settings, take=take, secrets=read_secret)


def _announcer(publish: Publish, rulebooks: Rulebooks) -> Callable[[Endpoint, str], Awaitable[None]]:
    async def announce(endpoint: Endpoint, reason: str) -> None:
        now = system_clock()
        event = endpoint_disabled(endpoint, reason, now=now)
        brand = rulebooks.current.rules.brands.get(endpoint.org_id)
        await publish.announce(event, alerts(brand, event, now=now) if brand else ())

    return announce


def _past_reader(store: Store) -> ReadPast:
    async def read(revision: str) -> Rulebook | None:
        found = await store.get_revision(revision)
        # Secrets are not checked: one that has gone since must not keep the past from being read.
        return None if found is None else await asyncio.to_thread(lambda: load(unpack(found.archive), rehearse=False))

    return read


@asynccontextmanager
async def _open_keyring(settings: AuthSettings) -> AsyncIterator[Keyring | None]:
    """Read the keys and follow their file; None where none are configured."""
    if settings.keys is None:
        yield None
        return
    file = KeyFile(settings.keys)
    try:
        keyring = Keyring(file.read(), clock=time.time)
    except InvalidKeyFile as error:
        raise InvalidConfiguration(f"auth.keys: {error}") from error
    following = asyncio.create_task(follow_keys(file, keyring), name="keys")
    try:
        yield keyring
    finally:
        await _cancel(following)


async def _leave_to_others(stop: asyncio.Event) -> None:
    """Stand in for dispatch in a process that only takes in."""
    await stop.wait()


async def _finish(dispatching: asyncio.Task[None], stop: asyncio.Event) -> None:
    stop.set()
    await dispatching


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})
