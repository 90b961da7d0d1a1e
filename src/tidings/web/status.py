"""What machines ask of the gateway: is it alive, is it ready, how is it doing."""

from collections.abc import Callable

from aiohttp import web

from tidings.access import Keyring, Permission
from tidings.errors import TidingsError
from tidings.store import Store
from tidings.telemetry import Metrics
from tidings.web.admission import admit


class StatusPages:
    """``/healthz``, ``/readyz`` and ``/metrics``."""

    def __init__(
        self,
        *,
        store: Store,
        metrics: Metrics,
        revision: Callable[[], str],
        clock: Callable[[], int],
        keyring: Keyring | None = None,
    ) -> None:
        self._store = store
        self._metrics = metrics
        self._revision = revision
        self._clock = clock
        self._keyring = keyring
        self.serving = False
        """Whether the gateway takes events; false before it has started and once it is stopping."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to serve."""
        return [
            web.get("/healthz", self.healthz),
            web.get("/readyz", self.readyz),
            web.get("/metrics", self.metrics),
        ]

    async def healthz(self, request: web.Request) -> web.Response:  # noqa: ARG002 (aiohttp's signature)
        """Answer 200 as long as the process can answer at all."""
        return web.Response(text="ok\n")

    async def readyz(self, request: web.Request) -> web.Response:  # noqa: ARG002 (aiohttp's signature)
        """Answer 200 when events are welcome, 503 with the reason otherwise."""
        reason = await self._not_ready()
        body = {"ready": reason is None, "revision": self._revision()} | ({"reason": reason} if reason else {})
        return web.json_response(body, status=200 if reason is None else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the metrics in the Prometheus text format, to a key that may read of every organisation."""
        if self._keyring is not None:
            admit(request, self._keyring, Permission.READ).require_every_org()
        try:
            backlog = await self._store.backlog()
        except TidingsError:
            return web.Response(body=self._metrics.exposition(), content_type="text/plain")
        for state, count in backlog.counts.items():
            self._metrics.backlog.labels(state.value).set(count)
        overdue = 0 if backlog.oldest_due_at is None else self._clock() - backlog.oldest_due_at
        self._metrics.oldest_due_seconds.set(max(0, overdue) / 1000)
        return web.Response(body=self._metrics.exposition(), content_type="text/plain")

    async def _not_ready(self) -> str | None:
        if not self.serving:
            return "starting or stopping"
        try:
            await self._store.check()
        except TidingsError as error:
            return str(error)
        return None
