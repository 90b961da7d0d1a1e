"""A small rulebook with one rule of every kind, for tests of what runs its cases."""

import textwrap
from collections.abc import Mapping
from pathlib import Path

from tidings.model import Problem, Source
from tidings.rulebook import Rulebook, load
from tidings.rulebook.testing import Report, describe, read_tests, run_suite

RULES = """
version: 1
rules:
  - id: expiring
    event: pointsExpiryReminder
    when: >-
      data.pointsScheduledForExpiry > `100`
      && (data.loyaltyProgramId == `1933` || !(data.loyaltyProgramDetails.isDefault))
    expires_at: data.scheduledExpiryDate
    notify:
      - email: {to: customer, template: expiring}
      - webhook: {to: crm, body: {member: data.customerIdentifiers.customerId, points: data.pointsScheduledForExpiry}}
  - id: lost-tier
    event: [tierDowngraded, tierDowngradeReminder]
    notify:
      - email: {to: brand, template: plain}
  - id: issued
    event: pointsIssued
    orgs: [51186]
    notify:
      - webhook: {to: all, body: {points: data.totalPointsIssued}}
  - id: soon
    event: pointsExpiryReminder
    mode: shadow
    when: days_until(data.scheduledExpiryDate) < `3`
    notify:
      - webhook: {to: crm}
  - id: sleeping
    event: pointsIssued
    mode: "off"
    notify:
      - webhook: {to: crm}
"""

BRANDS = """
version: 1
brands:
  - org: 50750
    name: Example Rewards
    from: rewards@example.com
    alerts_to: [team@example.com]
    time_zone: Asia/Kolkata
    endpoints:
      - {name: crm, url: "https://crm.example.com/hooks", secrets: ["env:EXAMPLE_CRM_SECRET"]}
  - org: 50261
    name: Example Club
    from: club@example.com
    alerts_to: [team@example.com, duty@example.com]
    endpoints:
      - {name: crm, url: "https://crm.example.com/hooks", secrets: ["env:EXAMPLE_CRM_SECRET"]}
  - org: 51186
    name: Example Stores
    from: stores@example.com
    alerts_to: [team@example.com]
    endpoints:
      - {name: crm, url: "https://crm.example.com/hooks", secrets: ["env:EXAMPLE_CRM_SECRET"]}
      - {name: lake, url: "https://lake.example.com/in", secrets: ["env:EXAMPLE_LAKE_SECRET"]}
"""

EXPIRING = """---
subject: "{{ data.pointsScheduledForExpiry | number }} points expire"
---
Dear {{ contact.name }},
use your points by {{ data.scheduledExpiryDate | date }}.
"""

PLAIN = """---
subject: "{{ eventName }}"
---
Something happened to a tier.
"""

FILES: Mapping[str, str] = {
    "brands/all.yaml": BRANDS,
    "rules.yaml": RULES,
    "templates/expiring.en.txt": EXPIRING,
    "templates/plain.en.txt": PLAIN,
}


def sources(files: Mapping[str, str]) -> tuple[Source, ...]:
    """Return files as sources, in order of path."""
    return tuple(Source(path=path, data=text.lstrip("\n").encode()) for path, text in sorted(files.items()))


def rulebook(files: Mapping[str, str] = FILES) -> Rulebook:
    """Load a rulebook that must be without errors."""
    return load(sources(files))


def run(cases: str, *, files: Mapping[str, str] = FILES) -> Report:
    """Run the cases of one tests file, ``a_test.yaml``, on a rulebook."""
    loaded = rulebook(files)
    found = sources({**files, "a_test.yaml": cases})
    return run_suite(loaded, read_tests(found, loaded.rules))


def told(report: Report) -> str:
    """Return everything a report has to say of cases that failed and of files."""
    problems = [str(problem) for problem in report.problems]
    return "".join(f"{line}\n" for line in (*problems, *(line for each in report.failed for line in describe(each))))


def case(text: str) -> str:
    """Return a tests file of one case, from the lines of it after its name."""
    return f"version: 1\ncases:\n  - name: one\n{textwrap.indent(textwrap.dedent(text).strip(), '    ')}\n"


def problems_of(cases: str, **more: str) -> list[str]:
    """Return what is wrong with one tests file, each with its hint in parentheses."""
    loaded = rulebook()
    suite = read_tests(sources({**FILES, "a_test.yaml": cases, **more}), loaded.rules)
    return [with_hint(each) for each in (*suite.problems, *(each for one in suite.cases for each in one.problems))]


def with_hint(problem: Problem) -> str:
    """Write a problem with its hint in parentheses."""
    return f"{problem} ({problem.hint})" if problem.hint else str(problem)


def write(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files into a folder; return it."""
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text.lstrip("\n"), encoding="utf-8")
    return folder
