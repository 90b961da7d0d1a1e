"""The one place that wires the gateway: in a straight line, closed in reverse."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from tidings.app.core import Core, open_core
from tidings.app.faces import open_grpc, open_http, open_status
from tidings.app.role import Role
from tidings.authoring import Reloader
from tidings.config import Settings
from tidings.dispatch import keep_retention
from tidings.intake import system_clock
from tidings.rpc import GrpcServer
from tidings.rulebook import Rulebooks
from tidings.store import Store
from tidings.web import StatusPages


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


@asynccontextmanager
async def open_gateway(settings: Settings, *, role: Role = Role.ALL, apart: bool = False) -> AsyncIterator[Gateway]:
    """Open what the role takes, bind, and dispatch; serving is announced by ``start_serving``.

    With ``apart`` a SQLite file is written to by a process of its own.
    """
    async with AsyncExitStack() as closing:
        core = await closing.enter_async_context(open_core(settings, role=role, apart=apart))
        grpc = await closing.enter_async_context(open_grpc(core, role)) if role.takes_in else None
        status = await closing.enter_async_context(open_status(core, role))
        http_port = await closing.enter_async_context(open_http(core, role, status))
        stop = asyncio.Event()
        work = core.dispatcher.run(stop) if role.dispatches else _leave_to_others(stop)
        dispatching = asyncio.create_task(work, name="dispatch")
        closing.push_async_callback(_finish, dispatching, stop)
        await closing.enter_async_context(_upkeep(core, role))
        yield Gateway(
            grpc_port=0 if grpc is None else grpc.port,
            http_port=http_port,
            rulebooks=core.rulebooks,
            reloader=core.reloader,
            grpc=grpc,
            status=status,
            store=core.store,
            dispatching=dispatching,
            stop_dispatch=stop,
        )


@asynccontextmanager
async def _upkeep(core: Core, role: Role) -> AsyncIterator[None]:
    """Let go of what is past its time, and follow the rules' folder, while the block runs."""
    settings, tasks = core.settings, []
    if role.dispatches:
        purging = keep_retention(core.store, settings.retention, clock=system_clock)
        tasks.append(asyncio.create_task(purging, name="retention"))
    if settings.reload.every:
        watching = core.reloader.watch(every=settings.reload.every)
        tasks.append(asyncio.create_task(watching, name="rulebook watch"))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _leave_to_others(stop: asyncio.Event) -> None:
    """Stand in for dispatch in a process that only takes in."""
    await stop.wait()


async def _finish(dispatching: asyncio.Task[None], stop: asyncio.Event) -> None:
    stop.set()
    await dispatching
