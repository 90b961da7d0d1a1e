"""What every part of a gateway shares: the store, the rulebook that is live, the channels, publishing and dispatch."""

import asyncio
import socket
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from tidings.access import AuthSettings, InvalidKeyFile, KeyFile, Keyring, follow_keys
from tidings.app.reader_links import link_maker, token_box
from tidings.app.role import Role
from tidings.authoring import Reloader, compile_folder, fingerprint
from tidings.channels import EmailChannel, WebhookChannel, open_email_channel, open_webhook_channel
from tidings.config import Settings, TraceSettings, read_secret
from tidings.dispatch import Dispatcher, OnDisabled
from tidings.errors import InvalidConfiguration
from tidings.fleet import Membership, own_place
from tidings.intake import Publish, system_clock
from tidings.links import TokenBox
from tidings.model import Endpoint
from tidings.rulebook import ReadPast, Rulebook, Rulebooks, alerts, endpoint_disabled, load, pack, unpack
from tidings.store import Presence, Revision, Store, open_store
from tidings.telemetry.metrics import Metrics

if TYPE_CHECKING:  # OpenTelemetry is an extra
    from tidings.dispatch.tracing import DeliveryTraces
    from tidings.intake.tracing import PublishTraces
    from tidings.telemetry.traces import Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class Core:
    """The parts that the gateway's faces and its work are made of."""

    settings: Settings
    metrics: Metrics
    store: Store
    rulebooks: Rulebooks
    reloader: Reloader
    keyring: Keyring | None
    email: EmailChannel
    webhook: WebhookChannel
    publish: Publish
    dispatcher: Dispatcher
    membership: Membership
    box: TokenBox
    """Opens the links of e-mails."""
    traced: bool


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
async def open_core(settings: Settings, *, role: Role, apart: bool) -> AsyncIterator[Core]:
    """Compile the rulebook and open what it takes to publish and to send.

    Raises:
        InvalidConfiguration, tidings.rulebook.InvalidRulebook: it cannot start as configured.
    """
    loaded = fingerprint(settings.rules)
    rulebook = load_rulebook(settings)
    metrics = Metrics()
    async with AsyncExitStack() as closing:
        traces = await closing.enter_async_context(_open_traces(settings.traces))
        store = await closing.enter_async_context(open_store(settings.store, apart=apart))
        await store.save_revision(
            Revision(id=rulebook.revision, created_at=system_clock(), archive=pack(rulebook.sources))
        )
        rulebooks = Rulebooks(rulebook, read_past=_past_reader(store))
        membership = await closing.enter_async_context(_join(settings, store, rulebooks, role))
        keyring = await closing.enter_async_context(_open_keyring(settings.auth, membership))
        email = await closing.enter_async_context(
            open_email_channel(settings.email, read_secret, metrics=metrics, seat=lambda: membership.fellows.seat)
        )
        webhook = await closing.enter_async_context(open_webhook_channel(settings.webhook, read_secret))
        publish = Publish(store=store, rulebooks=rulebooks, metrics=metrics, traces=_publish_traces(traces))
        box = token_box(settings.unsubscribe)
        yield Core(
            settings=settings,
            metrics=metrics,
            store=store,
            rulebooks=rulebooks,
            reloader=Reloader(
                settings.rules,
                rulebooks=rulebooks,
                store=store,
                secrets=read_secret,
                metrics=metrics,
                clock=system_clock,
                loaded=loaded,
                went_live=membership.beat_soon,
            ),
            membership=membership,
            keyring=keyring,
            email=email,
            webhook=webhook,
            publish=publish,
            dispatcher=Dispatcher(
                store=store,
                rulebooks=rulebooks,
                email=email,
                webhook=webhook,
                metrics=metrics,
                clock=system_clock,
                settings=settings.dispatch,
                on_disabled=announcer(publish, rulebooks),
                traces=_delivery_traces(traces),
                links=link_maker(settings, box),
                membership=membership,
            ),
            box=box,
            traced=traces is not None,
        )


@asynccontextmanager
async def _join(settings: Settings, store: Store, rulebooks: Rulebooks, role: Role) -> AsyncIterator[Membership]:
    """Be one of the gateways on the store while the block runs."""
    now = system_clock()
    own = Presence(
        id=uuid.uuid4().hex,
        host=socket.gethostname(),
        place=own_place(),
        version=version("tidings"),
        role=role.value,
        revision=rulebooks.current.revision,
        started_at=now,
        seen_at=now,
        dispatches=role.dispatches,
    )
    membership = Membership(
        store.fleet,
        own,
        clock=system_clock,
        revision=lambda: rulebooks.current.revision,
        longest_send=settings.webhook.timeout,
    )
    await membership.beat()
    beating = asyncio.create_task(membership.run(), name="fleet")
    try:
        yield membership
    finally:
        beating.cancel()
        await asyncio.wait({beating})
        await membership.leave()


def announcer(publish: Publish, rulebooks: Rulebooks) -> OnDisabled:
    """Return what records that an endpoint is disabled, once, with an e-mail to whom the brand names for alerts."""

    async def announce(endpoint: Endpoint, reason: str, since: int) -> None:
        event = endpoint_disabled(endpoint, reason, since=since)
        brand = rulebooks.current.rules.brands.get(endpoint.org_id)
        await publish.announce(event, alerts(brand, event, now=since) if brand else ())

    return announce


def _past_reader(store: Store) -> ReadPast:
    async def read(revision: str) -> Rulebook | None:
        found = await store.get_revision(revision)
        # Secrets are not checked: one that has gone since must not keep the past from being read.
        return None if found is None else await asyncio.to_thread(lambda: load(unpack(found.archive), rehearse=False))

    return read


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


@asynccontextmanager
async def _open_keyring(settings: AuthSettings, membership: Membership) -> AsyncIterator[Keyring | None]:
    """Read the keys and follow their file; None where none are configured."""
    if settings.keys is None:
        yield None
        return
    file = KeyFile(settings.keys)
    try:
        keyring = Keyring(file.read(), clock=time.time, gateways=lambda: membership.fellows.taking_in)
    except InvalidKeyFile as error:
        raise InvalidConfiguration(f"auth.keys: {error}") from error
    following = asyncio.create_task(follow_keys(file, keyring), name="keys")
    try:
        yield keyring
    finally:
        following.cancel()
        await asyncio.wait({following})
