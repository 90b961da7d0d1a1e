"""A long run of the whole gateway: does memory stay level, and is nothing lost when it is told to stop?

Run it with ``make soak`` (ten minutes) or ``make soak SECONDS=60``. It publishes 200 events a second over gRPC, one
in two to an SMTP server and one in two to a webhook sink, prints the gateway's memory as it goes, stops the gateway
with SIGTERM, starts it once more, and compares what was acknowledged with what arrived. Of what arrived more than
once it prints when, and every attempt. Memory climbs by some 35 MiB in the first two minutes: SQLite's cache of
pages.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from family_kit import memory_of
from gateway_kit import CRM_SECRET, OPEN, RunningGateway, running_gateway, state_of, write_config
from rulebook_kit import RULES, write_rulebook
from sink_kit import HttpSink, http_sink
from smtp_kit import SmtpSink, smtp_sink
from tidings.events import convert_one, sample
from tidings.gateway.v1.contact_service_pb2 import Contact

RATE = 200
SAMPLE_SECONDS = 15.0
LEVEL_MIB = 25.0
"""How far the last quarter's memory may lie above the second quarter's."""
MOST_TOLD = 10
"""Of how many deliveries that arrived more than once all is printed."""


@dataclass(slots=True)
class Record:
    """What the run saw."""

    deliveries: set[str] = field(default_factory=set)
    memory: list[float] = field(default_factory=list)
    slowest: float = 0.0
    late: int = 0


async def publish(gateway: RunningGateway, seconds: float, record: Record) -> None:
    """Publish at a steady rate; a call that is late does not hold up the next."""
    kinds = [convert_one(sample(name)).event for name in ("pointsExpiryReminder", "pointsIssued")]
    kinds[0].points_expiry_reminder.scheduled_expiry_date = "2099-12-31"

    async def one(number: int) -> None:
        event = type(kinds[0])()
        event.CopyFrom(kinds[number % 2])
        event.event_id = f"soak-{number}"
        began = time.perf_counter()
        answer = await gateway.publish(event, timeout=30)
        record.slowest = max(record.slowest, time.perf_counter() - began)
        record.deliveries.update(answer.delivery_ids)

    began = time.perf_counter()
    async with asyncio.TaskGroup() as calls:
        for number in range(int(seconds * RATE)):
            wait = began + number / RATE - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            record.late += wait < -1
            calls.create_task(one(number))


async def watch(gateway: RunningGateway, record: Record, *, every: float) -> None:
    """Note the gateway's memory, every so many seconds, until cancelled."""
    began = time.perf_counter()
    while True:
        record.memory.append(memory_of(gateway.process.pid))
        sys.stdout.write(
            f"{time.perf_counter() - began:6.0f} s  {record.memory[-1]:7.1f} MiB  {len(record.deliveries)}\n"
        )
        sys.stdout.flush()
        await asyncio.sleep(every)


async def soak(seconds: float, folder: Path) -> bool:
    """Run, stop, look again; say whether memory stayed level and nothing was lost."""
    record = Record()
    async with smtp_sink() as smtp, http_sink(CRM_SECRET) as sink:
        rules = write_rulebook(folder / "rules", crm=sink.url, rules=RULES)
        # All go to one domain, at the very rate that is the default limit for one: lifted, for this is no test of it.
        unshaped = {"default": {"connections": None, "rate": None}}
        email = {"transport": f"smtp://127.0.0.1:{smtp.port}?tls=none", "timeout": "2s", "domains": unshaped}
        config = write_config(folder, rules=str(rules), email=email)
        async with running_gateway(config) as gateway:
            await gateway.upsert(Contact(org_id=50750, customer_id="381750905", email="asha@example.com"))
            watching = asyncio.create_task(watch(gateway, record, every=min(SAMPLE_SECONDS, seconds / 16)))
            try:
                await publish(gateway, seconds, record)
            except ExceptionGroup:
                await asyncio.sleep(1)
                sys.stdout.writelines(f"{entry}\n" for entry in gateway.log[-20:])
                raise
            finally:
                watching.cancel()
            began = time.perf_counter()
            code = await gateway.stop()
            stopped_in = time.perf_counter() - began
        async with running_gateway(config) as again:
            states = await _states(again, record.deliveries)
            arrived = _arrivals(smtp, sink)  # with what this one sent, be it for the first time or once more
            sent_twice = {name: times for name, times in arrived.items() if len(times) > 1}
            for name in list(sent_twice)[:MOST_TOLD]:
                await _tell(again, name, sent_twice[name], [*gateway.log, *again.log])
    lost = record.deliveries - arrived.keys()
    repeated = sum(len(times) - 1 for times in sent_twice.values())
    growth = _growth(record.memory)
    sys.stdout.write(
        f"{int(seconds * RATE)} events, {len(record.deliveries)} deliveries, {len(lost)} lost, {repeated} repeated, "
        f"states {states}\nmemory grew by {growth:.1f} MiB from the second quarter to the last; slowest publish "
        f"{record.slowest * 1000:.0f} ms, {record.late} calls behind schedule\n"
        f"SIGTERM: exit {code} in {stopped_in:.2f} s\n"
    )
    return not lost and not repeated and growth < LEVEL_MIB and code == 0 and stopped_in < 10


def _arrivals(smtp: SmtpSink, sink: HttpSink) -> dict[str, list[float]]:
    """Return when each delivery arrived, epoch seconds."""
    found: dict[str, list[float]] = {}
    for email in smtp.messages:
        found.setdefault(str(email.message["message-id"]).strip("<>").partition("@")[0], []).append(email.at)
    for call in sink.received:
        found.setdefault(call.headers["webhook-id"], []).append(call.at)
    return found


async def _tell(gateway: RunningGateway, name: str, times: Sequence[float], log: Sequence[dict[str, object]]) -> None:
    """Print all that is known of a delivery that arrived more than once."""
    found = await gateway.delivery(name)
    arrived = ", ".join(f"{datetime.fromtimestamp(at, UTC):%H:%M:%S.%f}" for at in times)
    sys.stdout.write(f"{name} ({state_of(found.delivery)}) arrived at {arrived}\n")
    for each in found.attempts:
        began = each.started_at.ToDatetime()
        sys.stdout.write(
            f"    attempt {each.number} at {began:%H:%M:%S.%f}, {each.duration_ms} ms: {each.outcome} "
            f"{each.status_code} {each.detail}\n"
        )
    sys.stdout.writelines(f"    {entry}\n" for entry in log if entry.get("delivery") == name)


def _growth(memory: Sequence[float]) -> float:
    quarter = max(1, len(memory) // 4)
    return sum(memory[-quarter:]) / quarter - sum(memory[quarter : 2 * quarter]) / quarter


async def _states(gateway: RunningGateway, names: set[str]) -> dict[str, int]:
    """Count the deliveries by state, once none is open any more."""
    for _ in range(300):
        found = [state_of(each) for each in await gateway.deliveries() if each.id in names]
        if not OPEN & set(found):
            break
        await asyncio.sleep(0.1)
    return {state: found.count(state) for state in sorted(set(found))}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    with tempfile.TemporaryDirectory(prefix="tidings-soak-") as name:
        sys.exit(0 if asyncio.run(soak(parser.parse_args().seconds, Path(name))) else 1)
