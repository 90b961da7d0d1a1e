"""What the rows about waiting deliveries store: one kind of event, each with one e-mail that is due at once."""

import hashlib
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from filling import Numbered, Values, alike, fill, record, take_for_repeats

from gateway_kit import write_config
from tidings.app import load_rulebook
from tidings.config import load_settings
from tidings.events import convert_one, sample
from tidings.intake import system_clock
from tidings.model import Channel, PlannedDelivery, Recipient, RecipientKind, delivery_id
from tidings.store import Publication, StoredEvent

_ORG: Final = 50750
_COMPARED: Final = 1_000
"""How many events go through the port too, to compare what is written."""
_RECIPIENT: Final = Recipient(kind=RecipientKind.ADDRESS, name="team@example.com")
_RULES: Final = """\
version: 1
rules: [{id: expiring, event: pointsExpiryReminder, notify: [{email: {to: brand, template: expiring}}]}]
"""
_BRAND: Final = f"""\
version: 1
brands: [{{org: {_ORG}, name: Example, from: rewards@example.com, alerts_to: [team@example.com]}}]
"""
_TEMPLATE: Final = '---\nsubject: "{{ data.pointsScheduledForExpiry | int }} points expire"\n---\nUse them.\n'


def event_id(number: int) -> str:
    """Name an event; all names are equally long."""
    return f"waits-{number:08}"


def _delivery_id(event: str) -> str:
    return delivery_id(org_id=_ORG, event_id=event, rule_id="expiring", action=0, recipient=_RECIPIENT)


def write_gateway(folder: Path, **sections: object) -> Path:
    """Write a rulebook and a configuration, whose file is returned; leases are as long as by default."""
    rules = folder / "rules"
    for name, text in (("brands/a.yaml", _BRAND), ("a.yaml", _RULES), ("templates/expiring.en.txt", _TEMPLATE)):
        (rules / name).parent.mkdir(parents=True, exist_ok=True)
        (rules / name).write_text(text)
    return write_config(folder, rules=str(rules), reload={"every": 0}, dispatch={}, **sections)


def publications(config: Path, numbers: Iterable[int], *, now: int | None = None) -> Iterator[Publication]:
    """Make what a gateway of this configuration would record, at ``now``, for events that are numbered so."""
    revision = load_rulebook(load_settings(config)).revision
    event = convert_one(sample("pointsExpiryReminder")).event
    event.org_id = _ORG
    now = system_clock() if now is None else now
    for number in numbers:
        event.event_id = event_id(number)
        content = event.SerializeToString()
        planned = PlannedDelivery(
            id=_delivery_id(event.event_id),
            rule_id="expiring",
            action=0,
            channel=Channel.EMAIL,
            recipient=_RECIPIENT,
            customer_id=None,
            due_at=now,
            expires_at=None,
        )
        stored = StoredEvent(
            org_id=_ORG,
            event_id=event.event_id,
            name="pointsExpiryReminder",
            received_at=now,
            revision=revision,
            content=content,
            digest=hashlib.sha256(content).digest(),
            customer_id=None,
            matched_rules=("expiring",),
        )
        yield Publication(event=stored, deliveries=(planned,))


async def fill_sqlite(config: Path, count: int) -> None:
    """Store so many of these events, with their deliveries, in the SQLite database beside a configuration."""
    now = system_clock()
    made = partial(publications, config, now=now)
    files = [config.with_name(f"{name}.db") for name in ("tidings", "bulk", "port")]
    few = min(count, _COMPARED)
    await record(files[2], list(made(range(few))))
    for file, number in zip(files, (count, few), strict=False):
        await fill(file, number, list(made(range(1))), event=_event_values(*made(range(1))), delivery=_delivery_values)
    alike(*files[1:])
    await take_for_repeats(files[0], list(made(range(0, count, max(1, count // _COMPARED)))))
    for file in files[1:]:
        file.unlink()


def _event_values(first: Publication) -> Numbered:
    """Say what makes an event's row differ from that of the first."""
    blank = first.event.event_id.encode()

    def changes(number: int) -> Values:
        name = event_id(number)
        content = first.event.content.replace(blank, name.encode())
        digest = hashlib.sha256(content).digest()
        return {"seq": number + 1, "event_id": name, "content": content, "digest": digest}

    return changes


def _delivery_values(number: int) -> Values:
    name = event_id(number)
    return {"seq": number + 1, "event_seq": number + 1, "event_id": name, "id": _delivery_id(name)}
