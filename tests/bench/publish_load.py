"""A load generator: a process that calls a method as fast as answers come, the same way whoever answers.

Requests are serialised beforehand and answers are left as bytes, so that it takes less time for a call than a server
does. Orders come by the line: ``SIDE NAME SECONDS``; the report on each is a line of JSON.
"""

import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator
from itertools import count, cycle

import grpc
import uvloop
from publish_messages import BLANK, batch_bodies, unary_bodies

from tidings.gateway.v1.event_service_pb2 import PublishBatchResponse, PublishResponse

_BODIES = {"Publish": unary_bodies, "PublishBatch": batch_bodies}
_EVERY = 64
"""Every so many answers, one is read."""


def _requests(method: str, name: str) -> Iterator[bytes]:
    bodies = cycle(_BODIES[method]())
    for number in count():
        yield next(bodies).replace(BLANK, f"{name}{number:0{len(BLANK) - len(name)}}".encode())


def _read(method: str, answer: bytes) -> None:
    """Raise AssertionError for an answer that does not take in the events as new ones."""
    if method == "Publish":
        taken = [PublishResponse.FromString(answer)]
    else:
        taken = [each.published for each in PublishBatchResponse.FromString(answer).results]
    if not taken or not all(each.event_id and not each.duplicate for each in taken):
        raise AssertionError(f"events were not taken in as new: {taken}")


async def _load(
    channel: grpc.aio.Channel, method: str, name: str, *, callers: int, seconds: float
) -> dict[str, object]:
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
        f"/tidings.gateway.v1.EventService/{method}"
    )
    requests = _requests(method, name)
    took: list[float] = []
    ended = began = time.perf_counter()
    spent = _cpu()

    async def caller() -> None:
        nonlocal ended
        while (asked := time.perf_counter()) < began + seconds:
            answer = await call(next(requests), timeout=60)
            ended = time.perf_counter()
            took.append(ended - asked)
            if len(took) % _EVERY == 1:
                _read(method, answer)

    await asyncio.gather(*(caller() for _ in range(callers)))
    return {"began": began, "ended": ended, "took": took, "cpu": _cpu() - spent}


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def main(method: str, callers: int, targets: dict[str, str]) -> None:
    """Work off orders until there are no more."""
    channels = {side: grpc.aio.insecure_channel(target) for side, target in targets.items()}
    while order := await asyncio.to_thread(sys.stdin.readline):
        side, name, seconds = order.split()
        report = await _load(channels[side], method, name, callers=callers, seconds=float(seconds))
        sys.stdout.write(json.dumps(report) + "\n")
        sys.stdout.flush()
    for channel in channels.values():
        await channel.close()


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3])))
