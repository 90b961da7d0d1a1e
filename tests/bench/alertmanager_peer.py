"""Alertmanager as a peer: an alert is its event, and a webhook of its own goes out for each."""

import asyncio
import json
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
from processes import said, started
from webhook_sink import RunningSink, running_sink

PROGRAM = shutil.which("prometheus-alertmanager")
_BATCH = 100
_CALLERS = 8
_BY_LABEL = r'"number":"([^"]+)"'


@dataclass(slots=True)
class AlertmanagerPeer:
    """Runs an Alertmanager anew for each measurement: it keeps every alert in memory, and would be slower with more."""

    folder: Path
    sink: RunningSink

    async def rate(self, name: str, count: int) -> float:
        """Post ``count`` alerts; return how many a second the sink had when it had them all."""
        await self.sink.forget()
        bodies = _bodies(name, count)
        async with _running(self.folder / name, self.sink.url) as url, aiohttp.ClientSession() as session:
            began = time.perf_counter()
            await _post_all(session, f"{url}/api/v2/alerts", bodies)
            await self.sink.received(count)
            took = time.perf_counter() - began
        await self._check()
        return count / took

    async def _check(self) -> None:
        """See that a notification is one alert: otherwise it did less work."""
        for post in await self.sink.samples():
            alerts = json.loads(post.body)["alerts"]
            if len(alerts) != 1:
                raise AssertionError(f"a notification held {len(alerts)} alerts")


@asynccontextmanager
async def alertmanager_peer(folder: Path) -> AsyncIterator[AlertmanagerPeer]:
    """Open the peer with a sink of its own."""
    async with running_sink(folder, name=_BY_LABEL) as sink:
        yield AlertmanagerPeer(folder, sink)


@asynccontextmanager
async def _running(folder: Path, sink: str) -> AsyncIterator[str]:
    config, log = _write_config(folder, sink), folder / "alertmanager.log"
    command = [
        str(PROGRAM),
        f"--config.file={config}",
        f"--storage.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0",
        "--cluster.listen-address=",
    ]
    async with started(*command, log=log) as process:
        line = await said(log, process, 'msg="Listening on"')
        yield f"http://{line.rpartition('address=')[2].strip()}"


def _write_config(folder: Path, sink: str) -> Path:
    folder.mkdir()
    config = folder / "alertmanager.yml"
    config.write_text(json.dumps(_config(sink)))
    return config


def _config(sink: str) -> dict[str, object]:
    """Group by every label and wait for nothing, so that each alert goes out by itself and at once."""
    return {
        "route": {
            "receiver": "sink",
            "group_by": ["..."],
            "group_wait": "0s",
            "group_interval": "1h",
            "repeat_interval": "24h",
        },
        "receivers": [{"name": "sink", "webhook_configs": [{"url": sink, "send_resolved": False}]}],
    }


def _bodies(name: str, count: int) -> list[bytes]:
    """Return the bodies of batches, made beforehand as ours are."""
    now = datetime.now(UTC)
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(hours=2)).isoformat()}
    return [
        json.dumps([_alert(f"{name}-{number}") | times for number in range(start, min(start + _BATCH, count))]).encode()
        for start in range(0, count, _BATCH)
    ]


def _alert(number: str) -> dict[str, object]:
    return {
        "labels": {"alertname": "pointsExpiryReminder", "org": "50750", "customer": "381750905", "number": number},
        "annotations": {"points": "300", "expires": "2099-12-31"},
    }


async def _post_all(session: aiohttp.ClientSession, url: str, bodies: Sequence[bytes]) -> None:
    waiting = iter(bodies)

    async def caller() -> None:
        for body in waiting:
            async with session.post(url, data=body, headers={"content-type": "application/json"}) as answer:
                answer.raise_for_status()

    await asyncio.gather(*(caller() for _ in range(_CALLERS)))
