"""The HTTP listener."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from aiohttp import web

from tidings.errors import InvalidConfiguration
from tidings.web.admission import refusing
from tidings.web.bodies import BODIES, Bodies
from tidings.web.settings import HttpSettings
from tidings.web.tracing import caller_tracing


@asynccontextmanager
async def open_http_server(
    settings: HttpSettings, routes: Iterable[web.RouteDef], *, max_body_bytes: int, traced: bool = False
) -> AsyncIterator[int]:
    """Bind and serve ``routes``; yield the port. Raise InvalidConfiguration when the address cannot be bound."""
    application = web.Application(
        client_max_size=max_body_bytes, middlewares=[*([caller_tracing] if traced else []), refusing]
    )
    application[BODIES] = Bodies(settings, most=max_body_bytes)
    application.add_routes(list(routes))
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=2.0, keepalive_timeout=settings.idle)
    await runner.setup()
    try:
        yield await _listen(runner, settings)
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, settings: HttpSettings) -> int:
    listen = settings.listen
    host, _, port = listen.rpartition(":")
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port), reuse_port=settings.reuse_port).start()
    except ValueError as error:
        raise InvalidConfiguration(f"http.listen: {listen!r} is not HOST:PORT, such as 127.0.0.1:8080") from error
    except OSError as error:
        message = f"http.listen: cannot bind {listen} ({error.strerror}); is another gateway running there?"
        raise InvalidConfiguration(message) from error
    bound: int = runner.addresses[0][1]
    return bound
