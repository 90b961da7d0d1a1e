"""Small rulebooks and events for tests of rules."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from tidings.events.v1.event_pb2 import Event
from tidings.expressions import compile  # noqa: A004 (named as in jmespath)
from tidings.model import Problem, Secrets, Severity, Source
from tidings.rules import Rule, RuleSet, WebhookAction, compile_rules

ORG = 50750
OTHER_ORG = 60860

BRANDS = """\
version: 1
brands:
  - org: 50750
    name: Example Rewards
    from: Example Rewards <rewards@example.com>
    alerts_to: [loyalty-team@example.com, duty@example.com]
    time_zone: Asia/Kolkata
    endpoints:
      - {name: crm, url: "https://crm.example.com/hooks", secrets: [env:EXAMPLE_CRM_SECRET]}
      - {name: lake, url: "https://lake.example.com/in", secrets: [file:/run/secrets/lake]}
  - org: 60860
    name: Other Rewards
    from: rewards@other.example.com
    alerts_to: [team@other.example.com]
    endpoints:
      - {name: crm, url: "https://crm.other.example.com/hooks", secrets: [env:OTHER_CRM_SECRET]}
"""


def sources(rules: str | None = None, brands: str | None = BRANDS, **files: str) -> list[Source]:
    """Return a rulebook: ``rules.yaml``, ``brands/all.yaml`` and further files by path."""
    texts = {"rules.yaml": rules, "brands/all.yaml": brands, **files}
    return [Source(path=path, data=text.encode()) for path, text in texts.items() if text is not None]


def compiled(
    files: Sequence[Source],
    *,
    templates: Collection[str] | None = ("reminder", "welcome"),
    secrets: Secrets | None = None,
) -> tuple[RuleSet, list[str]]:
    """Compile a rulebook; return it and its problems, each with its hint in parentheses."""
    problems: list[Problem] = []
    ruleset = compile_rules(files, templates=templates, secrets=secrets, report=problems.append)
    return ruleset, [f"{each} ({each.hint})" if each.hint else str(each) for each in problems]


def ruleset(rules: str, brands: str | None = BRANDS) -> RuleSet:
    """Compile a rulebook that must be without errors."""
    problems: list[Problem] = []
    found = compile_rules(sources(rules, brands), templates=None, secrets=None, report=problems.append)
    assert [str(each) for each in problems if each.severity is Severity.ERROR] == []
    return found


def assembled(rules: Sequence[Mapping[str, Any]]) -> RuleSet:
    """Build rules that post to ``crm``, with conditions that ``compile_rules`` may well refuse."""
    made = tuple(
        Rule(
            id=f"r{number}",
            description="",
            events=tuple(each.get("events", ("pointsExpiryReminder",))),
            orgs=each.get("orgs"),
            when=compile(each["when"]) if "when" in each else None,
            mode=each.get("mode", "live"),
            category="service",
            expires_at=None,
            actions=(WebhookAction(to="crm"),),
            file="rules.yaml",
            line=number,
        )
        for number, each in enumerate(rules)
    )
    return RuleSet(rules=made, brands=ruleset("{version: 1, rules: []}").brands)


def rule(text: str) -> str:
    """Return a rules file of one rule, ``one``, from the further lines of it."""
    lines = "".join(f"    {line}\n" for line in text.strip().split("\n"))
    return f"version: 1\nrules:\n  - id: one\n{lines}"


def points_expiring(points: float | None = 300, *, org: int = ORG, customer: int | None = 4711) -> Event:
    """Return an event of points about to expire."""
    event = Event(org_id=org)
    data = event.points_expiry_reminder
    data.SetInParent()
    if points is not None:
        data.points_scheduled_for_expiry = points
    if customer is not None:
        data.customer_identifiers.customer_id = customer
    data.customer_identifiers.instore.email = "ada@example.com"
    data.scheduled_expiry_date = "2026-01-31"
    data.loyalty_program_id = 973
    return event
