"""Small rulebooks written to a folder, for tests over the real wire; and the shipped one."""

import textwrap
from functools import cache
from pathlib import Path

from tidings.rulebook import Rulebook, load, read_folder

SHIPPED = Path(__file__).parents[1] / "rules"

RULES = """
version: 1
rules:
  - id: points-expiring
    event: pointsExpiryReminder
    when: data.pointsScheduledForExpiry > `100`
    expires_at: data.scheduledExpiryDate
    notify:
      - email: {to: customer, template: expiring}
      - webhook: {to: crm, type: loyalty.points_expiring, body: {points: data.pointsScheduledForExpiry}}
  - id: points-issued
    event: pointsIssued
    notify:
      - webhook: {to: crm}
"""

EXPIRING = """---
subject: "{{ data.pointsScheduledForExpiry | int }} points are about to expire"
---
Dear {{ contact.name | default("member") }}, use them by {{ data.scheduledExpiryDate }}.
"""


@cache
def shipped_rulebook() -> Rulebook:
    """Return the rulebook that comes with Tidings, compiled once for all who only read it."""
    return load(read_folder(SHIPPED), rehearse=False)


def write_rulebook(
    folder: Path, *, crm: str, rules: str = RULES, orgs: tuple[int, ...] = (50750, 50261, 51186)
) -> Path:
    """Write a rulebook whose brands send to ``crm``; return its folder."""
    for name in ("brands", "templates"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "loyalty.yaml").write_text(textwrap.dedent(rules).lstrip())
    (folder / "templates" / "expiring.en.txt").write_text(EXPIRING)
    brands = "".join(_brand(org, crm) for org in orgs)
    (folder / "brands" / "all.yaml").write_text(f"version: 1\nbrands:\n{brands}")
    return folder


def _brand(org: int, crm: str) -> str:
    return f"""\
  - org: {org}
    name: Example Rewards {org}
    from: Example Rewards <rewards@example.com>
    alerts_to: [loyalty-team@example.com]
    endpoints:
      - {{name: crm, url: "{crm}", secrets: ["env:EXAMPLE_CRM_SECRET"]}}
"""
