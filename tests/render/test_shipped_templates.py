"""The templates of rules/, on the published samples of their events."""

import re
from pathlib import Path
from typing import Any

import pytest

from rulebook_kit import shipped_rulebook
from tidings.events import convert_one, native_view, sample
from tidings.model import Problem, Source
from tidings.render import TemplateSet, compile_templates
from tidings.rules import EmailAction

RULES = Path(__file__).parents[2] / "rules"
PROGRAM = {
    "id": 978,
    "tiers": [
        {"tierNumber": 1, "tierName": "silver"},
        {"tierNumber": 2, "tierName": "GOLD"},
        {"tierNumber": 3, "tierName": "diamond"},
    ],
}
BRAND: dict[str, Any] = {"org": 50261, "name": "Example Club", "locale": "en-GB", "time_zone": "Europe/London"}
BRAND |= {"address": "1 Example Street, London", "logo": "https://www.example.com/logo.png"}
COLOURS = {"primary": "#112233", "text": "#223344", "background": "#334455", "link": "#445566"}


@pytest.fixture(scope="module")
def templates() -> TemplateSet:
    problems: list[Problem] = []
    files = sorted(each for each in RULES.rglob("*") if each.is_file())
    sources = [Source(path=each.relative_to(RULES).as_posix(), data=each.read_bytes()) for each in files]
    shipped = compile_templates(sources, report=problems.append)
    assert problems == []
    return shipped


EXPIRING = """\
Example Club

Your points are about to expire

Hello Asha Rao, some of the points you have earned will not be with you much
longer.

300

points expire on 19 June 2023

Use my points (https://www.example.com/rewards)

You receive this message because you are a member of Example Club.

Questions? Visit our help pages (https://www.example.com/help).

1 Example Street, London
"""

DOWNGRADE = """\
Example Club

Stay with us in GOLD

Hello there, your current tier is

GOLD

yours until 19 September 2024

Unless you renew it before then, you will move to a lower tier and miss some
of what you enjoy today.

See how to keep GOLD (https://www.example.com/tiers)

You receive this message because you are a member of Example Club.

Questions? Visit our help pages (https://www.example.com/help).

1 Example Street, London
"""

CASES = [
    (
        "points-expiring-soon",
        {"pointsScheduledForExpiry": 300, "scheduledExpiryDate": "2023-06-19"},
        {"customer_id": "381750905", "name": "Asha Rao"},
        "300 points expire on 19 June 2023",
        "Use your points with Example Club before they are gone.",
        EXPIRING,
    ),
    (
        "tier-downgrade-reminder",
        {"loyaltyProgramDetails": PROGRAM, "currentTierNumber": 2, "scheduledDowngradeDate": "2024-09-19"},
        {},
        "Keep your GOLD tier",
        "There is still time until 19 September 2024.",
        DOWNGRADE,
    ),
]


@pytest.mark.parametrize(("name", "data", "contact", "subject", "preheader", "text"), CASES, ids=[c[0] for c in CASES])
def test_a_shipped_message_says_what_its_event_tells(
    templates: TemplateSet,
    name: str,
    data: dict[str, Any],
    contact: dict[str, Any],
    subject: str,
    preheader: str,
    text: str,
) -> None:
    context = {"eventName": "any", "data": data, "brand": {**BRAND, "colours": COLOURS}, "contact": contact}
    made = templates.render(name, locales=["hi", "en-GB", "en"], context=context)
    html = made.html or ""
    assert (made.subject, made.preheader, made.text, made.locale) == (subject, preheader, text, "en")
    assert f"<title>{subject}</title>" in html
    assert preheader in html
    assert [each for each in (*COLOURS.values(), BRAND["logo"], BRAND["address"]) if each not in html] == []
    assert html.startswith('<!doctype html><html lang="en" dir="ltr"')
    assert [each for each in ("{{", "{%", "<script", "fonts.googleapis", "lorem") if each in html] == []
    assert len(html) < 102_000, "Gmail cuts a message off at 102 kB"


LANGUAGES = ("ar", "de", "en")


def test_every_template_speaks_every_language_of_the_rulebook(templates: TemplateSet) -> None:
    assert {name: templates.locales(name) for name in templates.names} == dict.fromkeys(templates.names, LANGUAGES)


def test_the_languages_of_a_template_tell_the_same(templates: TemplateSet) -> None:
    """A field that one of them reads and another does not has been forgotten in translation."""
    for name in templates.names:
        read: dict[str, set[str]] = {locale: set() for locale in LANGUAGES}
        for use in templates.variables(name):
            if use.path[0] == "data":
                read[use.file.split(".")[-2]].add(str(use))
        assert read["ar"] == read["de"] == read["en"], name


def _messages() -> list[tuple[str, str, str, str, str]]:
    """Return template, locale, subject, preheader and HTML of each shipped e-mail, without a logo or an address."""
    rulebook = shipped_rulebook()
    brand = {key: value for key, value in BRAND.items() if key not in {"address", "logo"}} | {"colours": COLOURS}
    made = []
    for rule in rulebook.rules.rules:
        for template in (each.template for each in rule.actions if isinstance(each, EmailAction)):
            context = {**native_view(convert_one(sample(rule.events[0])).event), "brand": brand, "contact": {}}
            for locale in rulebook.templates.locales(template):
                one = rulebook.templates.render(template, locales=[locale], context=context)
                made.append((template, locale, one.subject, one.preheader, one.html or ""))
    return made


def test_shipped_messages_are_short_at_the_top_and_fetch_nothing(templates: TemplateSet) -> None:
    messages = _messages()
    assert {template for template, *_ in messages} == templates.names
    for template, locale, subject, preheader, html in messages:
        assert len(subject) <= 70, subject
        assert 0 < len(preheader) <= 70, preheader
        assert f'lang="{locale}" dir="{"rtl" if locale == "ar" else "ltr"}"' in html
        assert re.findall(r"<img|<link|\bsrc=|background=|url\(|@import", html) == [], (
            "a message tells nobody it was read"
        )
        links = set(re.findall(r'href="([^"]*)"', html))
        assert all(link.startswith("https://www.example.com/") for link in links), links
        assert bool(links) is not template.startswith("alert-")
        assert "Example Club" in html
