"""Running a gateway as a process: signals, and a stop that is bounded in time."""

import asyncio
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tidings.app.affinity import kept_affinity, usable_processors
from tidings.app.compose import Gateway, open_gateway
from tidings.app.role import Role
from tidings.authoring import Reloader, ReloadStatus
from tidings.config import Settings
from tidings.model import SERVICE
from tidings.rules import EmailAction, RuleSet
from tidings.telemetry import events, get_logger

log = get_logger()

_INTAKE_GRACE_SECONDS = 1.0
"""How long calls under way may take to commit once a stop is asked for."""


async def serve(settings: Settings, *, role: Role = Role.ALL) -> None:
    """Run the gateway until SIGTERM or SIGINT; a second signal ends it at once.

    A stop goes from the outside in: load balancers are told to go elsewhere, after ``drain_delay`` calls are refused
    and those under way commit, then what is being sent settles.

    Raises:
        InvalidConfiguration, InvalidRulebook: it cannot start as configured.
    """
    _raise_descriptor_limit()
    # A process that writes to the store would only cost on one core. Asked before this thread keeps to some.
    apart = len(usable_processors()) > 1
    async with (
        kept_affinity(settings.cpu_affinity) as affinity,
        _stop_signal() as stop,
        open_gateway(settings, role=role, apart=apart) as gateway,
        _reload_signal(gateway.reloader),
    ):
        if affinity is not None:
            affinity.settle()
        await gateway.start_serving()
        _announce(gateway, settings, role, processor=None if affinity is None else affinity.home)
        dispatch_ended = asyncio.create_task(_watch(gateway.dispatching), name="dispatch watch")
        stopped = asyncio.create_task(stop.wait(), name="stop signal")
        await asyncio.wait({stopped, dispatch_ended}, return_when=asyncio.FIRST_COMPLETED)
        for task in (stopped, dispatch_ended):
            task.cancel()
        _announce_stop(gateway.dispatching)
        await gateway.turn_away()
        await asyncio.sleep(settings.drain_delay)
        await gateway.stop_intake(grace=_INTAKE_GRACE_SECONDS)
        await gateway.drain()
    log.info(events.GATEWAY_STOPPED)


def _raise_descriptor_limit() -> None:
    """Take as many file descriptors as the system allows: each connection, of callers and to endpoints, needs one."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems allow less than they say
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _announce(gateway: Gateway, settings: Settings, role: Role, *, processor: int | None) -> None:
    for problem in gateway.rulebooks.current.problems:
        log.warning(events.RULEBOOK_LOADED, problem=str(problem))
    if settings.http.public_url is None and (lacking := _unsubscribable(gateway.rulebooks.current.rules)):
        log.warning(
            events.UNSUBSCRIBE_LINKS_MISSING,
            setting="http.public_url",
            hint="without it readers cannot unsubscribe, and large mail providers turn such e-mails away",
            rules=lacking,
        )
    log.info(
        events.GATEWAY_STARTED,
        role=role.value,
        grpc_port=gateway.grpc_port,
        http_port=gateway.http_port,
        store=settings.store.partition(":")[0],
        rules=len(gateway.rulebooks.current.rules.rules),
        revision=gateway.rulebooks.current.revision,
        processor="any" if processor is None else processor,
    )


def _unsubscribable(rules: RuleSet) -> int:
    """Count the rules whose e-mails a reader may want to unsubscribe from."""
    return sum(
        rule.category != SERVICE
        and rule.mode == "live"
        and any(isinstance(each, EmailAction) and each.asks_consent for each in rule.actions)
        for rule in rules.rules
    )


def _announce_stop(dispatching: asyncio.Task[None]) -> None:
    if not dispatching.done():
        log.info(events.GATEWAY_STOPPING, reason="asked to")
    else:
        error = None if dispatching.cancelled() else dispatching.exception()
        log.error(events.GATEWAY_STOPPING, reason="dispatch ended by itself", exc_info=error)


async def _watch(dispatching: asyncio.Task[None]) -> None:
    """Return when dispatch ends by itself: a gateway that cannot send must not go on as if it could."""
    await asyncio.wait({dispatching})


@asynccontextmanager
async def _stop_signal() -> AsyncIterator[asyncio.Event]:
    """Yield an event that the first SIGTERM or SIGINT sets; from then on the signals have their usual force."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()

    def on_signal() -> None:
        stop.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal)
    try:
        yield stop
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@asynccontextmanager
async def _reload_signal(reloader: Reloader) -> AsyncIterator[None]:
    """Reload the rules on SIGHUP while the block runs."""
    loop = asyncio.get_running_loop()
    under_way: set[asyncio.Task[ReloadStatus]] = set()

    def on_signal() -> None:
        task = asyncio.create_task(reloader.reload(), name="reload on SIGHUP")
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    loop.add_signal_handler(signal.SIGHUP, on_signal)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGHUP)
        await asyncio.gather(*under_way)
