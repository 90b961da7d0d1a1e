"""What rules/README.md says of tests is so."""

import re
from pathlib import Path

from rulebook_kit import shipped_rulebook
from rulebook_testing_kit import told
from tidings.model import Source
from tidings.rulebook.testing import read_tests, run_suite

SHIPPED = Path(__file__).parents[2] / "rules"
SECTION = (SHIPPED / "README.md").read_text(encoding="utf-8").partition("\n## Tests\n")[2].partition("\n## ")[0]


def documented(cases: str) -> str:
    rulebook = shipped_rulebook()
    suite = read_tests([*rulebook.sources, Source(path="loyalty_test.yaml", data=cases.encode())], rulebook.rules)
    return told(run_suite(rulebook, suite))


def test_the_example_passes() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    assert example.count("- name:") == 2
    assert documented(example) == ""


def test_the_failure_shown_is_what_is_printed() -> None:
    (shown,) = re.findall(r"```\n(loyalty_test.*?)```", SECTION, re.DOTALL)
    blank = "\n" * 24
    case = "event: pointsExpiryReminder, set: {data.pointsScheduledForExpiry: 40}"
    expected = "expect: [{rule: points-expiring-soon, email: {}}]"
    cases = f"version: 1\ncases:{blank}\n- {{name: A member with 40 points is reminded, {case}, {expected}}}\n"
    assert documented(cases) == shown
