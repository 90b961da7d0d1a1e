"""A gRPC server that takes up the calls of each method in a line of their own, several at a time.

grpc.aio takes up one call of a method per turn of its loop, by a task for the call, and waits anew for the next calls
of all methods then. That is a quarter of what a short call costs, and grows with the number of methods. Here the calls
of a method are taken up by workers, a task each, that stand ready and see one call after the other through. And where
grpc.aio takes a turn of the loop for every byte by which its poller says that something is completed, four with each
call, all of them are read at once here.

All else is gRPC's. What is replaced, and the functions to which a call is handed on, are inner parts of gRPC; so
whoever loads this asks for the version first (`tidings.rpc.server`).
"""

import asyncio
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeAlias

import grpc
from grpc._cython import cygrpc
from grpc.aio import _server

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"

FEWEST_READY: Final = 4
MOST_READY: Final = 64
"""How many workers of a line wait for calls: a worker that takes up a call sees to it that there are enough, one that
has seen its call through goes if there are plenty. Apart, so that a burst does not start workers that end with it."""

_MOST_BYTES: Final = 1 << 16
"""How many of the bytes by which it is woken a loop takes at once."""

_SEE_THROUGH: Final = cygrpc._schedule_rpc_coro  # noqa: SLF001 (see the module)
_HANDLE: Final = {  # by whether requests and responses are streams
    (False, False): cygrpc._handle_unary_unary_rpc,  # noqa: SLF001
    (False, True): cygrpc._handle_unary_stream_rpc,  # noqa: SLF001
    (True, False): cygrpc._handle_stream_unary_rpc,  # noqa: SLF001
    (True, True): cygrpc._handle_stream_stream_rpc,  # noqa: SLF001
}
_NotTakenUp: type[Exception] = cygrpc._RequestCallError  # noqa: SLF001


class LinedServer(_server.Server):
    """A server of grpc.aio, but that each registered method has a line; it knows no interceptors."""

    def __init__(self, options: Sequence[tuple[str, int]]) -> None:
        """Take gRPC's channel arguments; the loop that runs is the one that will serve."""
        self._loop = asyncio.get_running_loop()
        with waking_once(self._loop):
            self._server = _Core(self._loop, None, (), (), tuple(options), None)


@contextmanager
def waking_once(loop: asyncio.AbstractEventLoop) -> Iterator[None]:
    """Have grpc.aio, which meets the loop with the first thing made of it, read all that its poller wrote at a time.

    It works off everything that is completed whenever it is woken, so the bytes that it leaves wake it for nothing. If
    it has met the loop before, it goes on in its own way.
    """
    add_reader = loop.add_reader
    overridden = vars(loop).get("add_reader")

    def add(poller: socket.socket, callback: Callable[..., object], *arguments: object) -> None:
        def woken() -> None:
            with suppress(BlockingIOError):  # another loop was first; who reads works off what is for any loop
                poller.recv(_MOST_BYTES)  # first, so that what is completed during the callback wakes once more
            callback(*arguments)

        add_reader(poller, woken)

    vars(loop)["add_reader"] = add
    try:
        yield
    finally:
        del vars(loop)["add_reader"]
        if overridden is not None:
            vars(loop)["add_reader"] = overridden


class _Core(cygrpc.AioServer):  # type: ignore[misc]  # an extension type without stubs
    """What stands between grpc.aio and gRPC's core, with lines."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._handlers: dict[str, Handler] = {}
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def add_registered_method_handlers(self, method_handlers: Mapping[str, Handler]) -> None:
        super().add_registered_method_handlers(method_handlers)
        self._handlers.update(method_handlers)

    def _make_request_call_future(self, method_bytes: bytes | None) -> "asyncio.Future[Any]":
        """Open the line of a method; grpc.aio, which asks when it starts, hears only of what must end the server.

        Without a method it is asked for the next call that no registered method is for, which stays its own affair.
        """
        if method_bytes is None:
            unregistered: asyncio.Future[Any] = super()._make_request_call_future(None)
            return unregistered
        method = method_bytes.decode()
        _Line(self, method, self._handlers[method], self._broken).fill()
        return self._broken


class _Line:
    """The calls of one method, and who takes them up."""

    def __init__(self, core: _Core, method: str, handler: Handler, broken: "asyncio.Future[None]") -> None:
        self._core = core
        self._method = method
        self._method_bytes = method.encode()
        self._handler = handler
        self._handle = _HANDLE[handler.request_streaming, handler.response_streaming]
        self._broken = broken
        self._loop = asyncio.get_running_loop()
        self._workers: set[asyncio.Task[None]] = set()
        self._ready = 0

    def fill(self) -> None:
        """Start workers until enough are ready."""
        while self._ready < FEWEST_READY:
            self._ready += 1
            worker = self._loop.create_task(self._work())
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)

    async def _work(self) -> None:
        own = asyncio.current_task(self._loop)
        while (call := await self._taken_up()) is not None:
            self._ready -= 1
            self.fill()
            await _SEE_THROUGH(self._handle(self._handler, call, self._loop), call, self._loop, self._method)
            del call  # it would stay until the next one comes
            # grpc.aio swallows the cancellation of a task that sees a call through, but whoever ends all tasks means it
            if self._ready >= MOST_READY or (own is not None and own.cancelling()):
                return
            self._ready += 1

    async def _taken_up(self) -> Any:
        """Wait for a call; return None once the server takes up no more."""
        while self._core.is_running():
            try:
                return await self._core._request_registered_call(self._method_bytes)  # noqa: SLF001
            except _NotTakenUp:
                continue  # the server stops, or this call was lost before it was taken up
            except Exception as error:  # noqa: BLE001 (what grpc.aio ends its server by too, since it would not pass)
                if not self._broken.done():
                    self._broken.set_exception(error)
                return None
        return None
