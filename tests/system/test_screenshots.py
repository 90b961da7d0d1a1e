"""How the shipped e-mails look in a browser: narrow and wide, light and dark, from the left and from the right.

``TIDINGS_SCREENSHOTS=folder`` keeps a picture of each, to be looked at.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest

from browser_kit import Page, needs_browser, open_page
from rulebook_kit import shipped_rulebook
from tidings.events import convert_one, native_view, sample
from tidings.model import Brand, Contact
from tidings.rulebook import Rulebook
from tidings.rulebook.compose import template_context
from tidings.rules import EmailAction, Rule

pytestmark = needs_browser

MEASURE: Final = (Path(__file__).parent / "measure_email.js").read_text(encoding="utf-8")
WIDTHS: Final = (320, 600, 1200)
PICTURES: Final = os.environ.get("TIDINGS_SCREENSHOTS")

PLAIN = Contact(org_id=50750, customer_id="1", email="asha@example.com", name="Asha Rao", time_zone="Asia/Kolkata")
LONG = replace(PLAIN, name="Wolfeschlegelsteinhausenbergerdorffwelchevoralternwarengewissenhaft")
"""A name that is wider than a telephone and has no place to break."""


def messages(rulebook: Rulebook, brand: Brand, contact: Contact) -> Iterator[tuple[str, str]]:
    """Yield each shipped e-mail in each of its languages: its name and HTML, on the sample of its event."""
    for rule, template in _templates(rulebook):
        view = native_view(convert_one(sample(rule.events[0])).event)
        context = template_context(view, brand, contact)
        for locale in rulebook.templates.locales(template):
            made = rulebook.templates.render(template, locales=[locale], context=context)
            yield f"{template}.{locale}", made.html or ""


def _templates(rulebook: Rulebook) -> Iterator[tuple[Rule, str]]:
    for rule in rulebook.rules.rules:
        yield from ((rule, action.template) for action in rule.actions if isinstance(action, EmailAction))


async def _faults(page: Page, name: str, html: str) -> list[str]:
    """Show one e-mail at every width, light and dark; return what is wrong."""
    found = []
    await page.show(html)
    for width in WIDTHS:
        for dark in (False, True):
            await page.view(width=width, dark=dark)
            look = f"{name}, {width} pixels, {'dark' if dark else 'light'}"
            found += [f"{look}: {fault}" for fault in await page.evaluate(MEASURE)]
            if PICTURES:
                file = Path(PICTURES) / f"{look.replace(', ', '-').replace(' ', '-')}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(await page.picture())
    return found


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_every_shipped_e_mail_looks_right_in_every_language() -> None:
    rulebook = shipped_rulebook()
    found = []
    async with open_page() as page:
        for name, html in messages(rulebook, rulebook.rules.brands[50750], PLAIN):
            found += await _faults(page, name, html)
    assert "\n".join(found) == ""


@pytest.mark.long
@pytest.mark.timeout(180)
async def test_names_that_are_far_too_long_and_a_logo_that_is_not_shown_break_nothing() -> None:
    rulebook = shipped_rulebook()
    brand = replace(rulebook.rules.brands[50261], name="A" * 70, logo="https://www.example.com/logo.png")
    found = []
    async with open_page() as page:
        for name, html in messages(rulebook, brand, LONG):
            if name.startswith(("points-expiring-soon", "tier-upgraded", "welcome")):
                found += await _faults(page, f"long.{name}", html)
    assert "\n".join(found) == ""


WRONG = [
    ("<p><b style='white-space: nowrap'>" + "x" * 200 + "</b></p>", "leaves the window"),
    ("<p style='overflow: hidden; width: 40px; white-space: nowrap'>a long line of text</p>", "is clipped"),
    ("<p style='overflow: hidden; height: 20px'>one<br><br><br>two</p>", "is clipped"),
    ("<p style='color: #999999'>grey on white</p>", "has a contrast of 2.85"),
    ("<p style='text-align: left'>نص</p>", "does not begin at the right"),
    ("<p dir='ltr'>نص</p>", "runs ltr"),
    ("<img src='x.png'>", "<img> tells a screen reader nothing"),
    (
        "<p style='background: #000000; color: #000000'><img alt='x' src='x.png'></p>",
        "the text of a picture has a contrast",
    ),
    ("<h1>نص</h1>", "there is not one heading"),
]


async def test_what_would_look_wrong_is_found() -> None:
    async with open_page() as page:
        for markup, fault in WRONG:
            await page.show(f"<!doctype html><html dir='rtl'><body><h1>نص</h1>{markup}</body></html>")
            await page.view(width=320)
            found = await page.evaluate(MEASURE)
            assert [each for each in found if fault in each], (markup, found)
