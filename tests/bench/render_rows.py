"""Rendering one shipped e-mail, beside Jinja2 and mrml alone; and many of them through the whole path."""

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import mrml
import uvloop
import yaml
from babel import Locale
from babel.dates import format_date
from babel.numbers import format_decimal
from email_rows import CUSTOMERS, configure, contact, deliver
from jinja2 import Environment, FileSystemLoader
from measuring import Row, compared, in_turn, rate
from smtp_process import smtp_process

from gateway_kit import running_gateway
from tidings.events import convert_one, native_view, sample
from tidings.render import TemplateSet, text_of
from tidings.rulebook import load, read_folder

_RULES: Final = Path(__file__).parents[2] / "rules"
_TEMPLATE: Final = "points-expiring-soon"
_LOCALE: Final = "en-GB"
_SECONDS: Final = 1.0
_AT_ONCE: Final = 20
_EMAILS: Final = int(os.environ.get("EMAILS", "10000"))
_WARM: Final = 1_000
_COLOURS: Final = {"primary": "#112233", "text": "#223344", "background": "#334455", "link": "#445566"}
_BRAND: Final = {
    "name": "Example Club",
    "address": "1 Example Street, London",
    "time_zone": "Europe/London",
    "colours": _COLOURS,
}

Peer = Callable[[Mapping[str, Any]], tuple[str, str]]


def render() -> Sequence[Row]:
    """Time one message in process, and many from publishing to delivered."""
    return [_one(), _many()]


def _one() -> Row:
    """Compare, both sides asserted to give the same subject and the same words to see."""
    templates = load(read_folder(_RULES), rehearse=False).templates
    view = native_view(convert_one(sample("pointsExpiryReminder")).event)
    context = {**view, "brand": _BRAND, "contact": {"name": "Asha Rao"}}
    peer = _peer()
    _assert_equal(templates, peer, context)

    def ours() -> int:
        for _ in range(_AT_ONCE):
            templates.render(_TEMPLATE, locales=[_LOCALE], context=context)
        return _AT_ONCE

    def theirs() -> int:
        for _ in range(_AT_ONCE):
            peer(context)
        return _AT_ONCE

    mine, others = in_turn(lambda: _micros(ours), lambda: _micros(theirs))
    note = (
        f"{_TEMPLATE}, with preheader, dark mode and a text part; peer: a prepared Jinja2 template and mrml for "
        "subject and HTML, no text part, no sandbox; the ratio is times as long"
    )
    return compared("render", mine, others, unit="µs/e-mail", goal=None, note=note)


def _micros(work: Callable[[], int]) -> float:
    return 1_000_000 / rate(work, seconds=_SECONDS)


def _assert_equal(templates: TemplateSet, peer: Peer, context: Mapping[str, Any]) -> None:
    rendered = templates.render(_TEMPLATE, locales=[_LOCALE], context=context)
    subject, html = peer(context)
    if rendered.html is None or subject != rendered.subject:
        raise AssertionError(f"the peer's subject is {subject!r}, ours {rendered.subject!r}")
    ours, theirs = (text_of(each).split() for each in (rendered.html, html))
    if not ours or ours != theirs:
        raise AssertionError(f"the peer shows {theirs}, we {ours}")


def _peer() -> Peer:
    """Return how the same message is made with the libraries alone, everything prepared that can be."""
    environment = Environment(
        loader=FileSystemLoader(_RULES / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,  # mrml refuses blanks in the head that have no line break among them
    )
    environment.filters.update(date=_date, number=_number, plural=_plural, url=str)
    source = (_RULES / "templates" / f"{_TEMPLATE}.en.mjml").read_text()
    _, head, body = source.split("---\n", 2)
    subject = environment.from_string(yaml.safe_load(head)["subject"])
    message = environment.from_string(body)
    options = mrml.RenderOptions(fonts={})

    def once(context: Mapping[str, Any]) -> tuple[str, str]:
        return subject.render(context), str(mrml.to_html(message.render(context), None, options).content)

    return once


def _date(value: str) -> str:
    return format_date(date.fromisoformat(value), "long", locale=_PEER_LOCALE)


def _number(value: float) -> str:
    return format_decimal(value, locale=_PEER_LOCALE)


def _plural(value: float, *, one: str, other: str) -> str:
    return (one if _PEER_LOCALE.plural_form(value) == "one" else other).replace("#", _number(value))


_PEER_LOCALE: Final = Locale.parse(_LOCALE, sep="-")


def _many() -> Row:
    with tempfile.TemporaryDirectory(prefix="tidings-bench-") as folder:
        made = uvloop.run(_through_the_gateway(Path(folder)))
    return Row(
        row="render",
        ours=made,
        peer=None,
        unit="e-mails/s",
        ratio=None,
        goal="",
        met=None,
        spread="",
        note=f"{_EMAILS:,} of them published, rendered, sent by SMTP and recorded; EMAILS= sets how many; no peer",
    )


async def _through_the_gateway(folder: Path) -> float:
    async with (
        smtp_process() as server,
        running_gateway(configure(folder, server.port, _TEMPLATE)) as gateway,
    ):
        await gateway.upsert(*(contact(number) for number in range(CUSTOMERS)))
        await deliver(gateway, server, "warm", count=min(_WARM, _EMAILS))
        return await deliver(gateway, server, "run", count=_EMAILS)
