"""What machines ask of the gateway: is it alive, is it ready, how is it doing."""

from typing import Final

from aiohttp import web

from tidings.access import Keyring, Permission
from tidings.errors import TidingsError
from tidings.store import Store
from tidings.telemetry.metrics import Metrics
from tidings.web.admission import admit
from tidings.web.counting import BacklogCount
from tidings.web.readiness import Check, Readiness, Status, worst

_SERVING: Final = Check(status=Status.OK)
_NOT_SERVING: Final = Check(status=Status.FAILED, detail="starting or stopping")


class StatusPages:
    """``/healthz``, ``/readyz`` and ``/metrics``."""

    def __init__(self, *, store: Store, metrics: Metrics, readiness: Readiness, keyring: Keyring | None = None) -> None:
        self._metrics = metrics
        self._readiness = readiness
        self._keyring = keyring
        self._backlog = BacklogCount(store)
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
        """Answer 200 when events are welcome, 503 otherwise; either way with every check."""
        checks = {"serving": _SERVING if self.serving else _NOT_SERVING, **await self._readiness.checks()}
        status = worst(checks)
        ready = status is not Status.FAILED
        told = {name: check.to_json() for name, check in checks.items()}
        return web.json_response({"ready": ready, "status": status.value, "checks": told}, status=200 if ready else 503)

    async def metrics(self, request: web.Request) -> web.Response:
        """Return the metrics in the Prometheus text format, to a key that may read of every organisation."""
        if self._keyring is not None:
            admit(request, self._keyring, Permission.READ).require_every_org()
        await self._measure_backlog()
        return web.Response(body=self._metrics.exposition(), content_type="text/plain")

    async def close(self) -> None:
        """Leave off what is under way."""
        await self._backlog.close()

    async def _measure_backlog(self) -> None:
        """Set what is measured when asked for; what the store does not tell now is left out rather than made up."""
        counts = await self._backlog.get()
        self._metrics.backlog.clear()
        for state, count in (counts or {}).items():
            self._metrics.backlog.labels(state.value).set(count)
        try:
            overdue = await self._readiness.overdue_seconds()
        except TidingsError:
            overdue = float("nan")
        self._metrics.oldest_due_seconds.set(overdue)
