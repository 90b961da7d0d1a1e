"""Celery over Redis as a peer: a task for each message, whose result is kept once the sink has acknowledged it."""

import asyncio
import importlib.util
import shutil
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import said, started, until
from webhook_sink import RunningSink, running_sink

from gateway_kit import CRM_SECRET

REDIS = shutil.which("redis-server")
PACKAGES = all(importlib.util.find_spec(each) for each in ("celery", "redis", "requests"))
WORKERS = 4
_TASK = "post_webhook"


@dataclass(slots=True)
class CeleryPeer:
    """A Redis server and a worker, both running."""

    sink: RunningSink
    tasks: Any
    results: Any
    body: str
    """What every message says."""

    async def rate(self, name: str, count: int) -> float:
        """Publish ``count`` tasks; return how many a second were done when sink and results had them all."""
        await self.sink.forget()
        await asyncio.to_thread(self.results.flushdb)
        began = time.perf_counter()
        await asyncio.to_thread(self._publish, name, count)
        await self.sink.received(count)
        await until(lambda: self._has_recorded(count), what="a result for each task")
        took = time.perf_counter() - began
        return count / took

    def _publish(self, name: str, count: int) -> None:
        with self.tasks.producer_pool.acquire(block=True) as producer:
            for number in range(count):
                message = f"{name}-{number}"
                self.tasks.send_task(_TASK, args=[self.sink.url, message, self.body], producer=producer)

    async def _has_recorded(self, count: int) -> bool:
        return bool(await asyncio.to_thread(self.results.dbsize) == count)


@asynccontextmanager
async def celery_peer(folder: Path, *, body: bytes) -> AsyncIterator[CeleryPeer]:
    """Start Redis, a worker and a sink; end all three with the block."""
    from celery import Celery
    from redis import Redis

    socket = folder / "redis.sock"
    broker, results = f"redis+socket://{socket}?virtual_host=0", f"redis+socket://{socket}?virtual_host=1"
    async with running_sink(folder) as sink, _running_redis(folder, socket), _running_worker(folder, broker, results):
        with Celery("bench", broker=broker) as tasks, Redis(unix_socket_path=str(socket), db=1) as kept:
            yield CeleryPeer(sink, tasks, kept, body.decode())


@asynccontextmanager
async def _running_redis(folder: Path, socket: Path) -> AsyncIterator[None]:
    """Run Redis on a socket of its own; it keeps as much as our store does: on disk before it answers."""
    log = folder / "redis.log"
    command = [str(REDIS), "--port", "0", "--unixsocket", str(socket), "--dir", str(folder), "--save", ""]
    command += ["--appendonly", "yes", "--appendfsync", "always"]
    async with started(*command, log=log) as process:
        await said(log, process, "ready to accept connections")
        yield


@asynccontextmanager
async def _running_worker(folder: Path, broker: str, results: str) -> AsyncIterator[None]:
    log = folder / "worker.log"
    env = {
        "BENCH_BROKER": broker,
        "BENCH_RESULTS": results,
        "BENCH_SECRET": CRM_SECRET,
        "PYTHONPATH": str(Path(__file__).parent),
    }
    command = [sys.executable, "-m", "celery", "--app", "celery_worker", "worker", "--loglevel", "WARNING"]
    command += ["--concurrency", str(WORKERS), "--without-gossip", "--without-mingle", "--without-heartbeat"]
    async with started(*command, log=log, env=env):
        yield
