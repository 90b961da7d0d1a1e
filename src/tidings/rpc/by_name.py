"""A gRPC server that looks most methods up by name."""

from collections.abc import Container, Mapping
from typing import Any, TypeAlias

import grpc

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any]"


class ServerByName:
    """Takes services as a gRPC server does, and registers only those methods with it that are to have their own line.

    For each method that is registered grpc.aio keeps a task that waits for its next call, and with every call of any
    of them it begins to wait for all of those tasks anew. Calls of the others are looked up by name, and stand in one
    line.
    """

    def __init__(self, server: grpc.aio.Server, *, registered: Container[str]) -> None:
        """Take the methods that are called most, as ``/service/method``."""
        self._server = server
        self._registered = registered

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """Leave out what generated code adds beside the methods themselves: it adds those once more."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Handler]) -> None:
        """Take a service's methods."""
        own = {name: each for name, each in handlers.items() if f"/{service}/{name}" in self._registered}
        others = {name: each for name, each in handlers.items() if name not in own}
        if own:
            self._server.add_registered_method_handlers(service, own)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, others),))
