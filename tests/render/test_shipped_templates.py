"""The templates of rules/, on the published samples of their events."""

from pathlib import Path
from typing import Any

import pytest

from tidings.model import Problem, Source
from tidings.render import TemplateSet, compile_templates

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


LOOK = ("brand.address", *(f"brand.colours.{name}" for name in sorted(COLOURS)), "brand.logo", "brand.name")


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


def test_shipped_templates_read_only_what_their_events_have(templates: TemplateSet) -> None:
    read = {name: sorted({str(use) for use in templates.variables(name)}) for name in templates.names}
    assert read == {
        "points-expiring-soon": [
            *LOOK,
            "contact.name",
            "data.pointsScheduledForExpiry",
            "data.scheduledExpiryDate",
        ],
        "tier-downgrade-reminder": [
            *LOOK,
            "contact.name",
            "data.currentTierNumber",
            "data.loyaltyProgramDetails.tiers",
            "data.scheduledDowngradeDate",
        ],
    }
