"""The example of a digest in rules/README.md is sound, and says what it seems to say."""

import re
from pathlib import Path

from rulebook_testing_kit import told
from tidings.model import Source
from tidings.rulebook import check, load
from tidings.rulebook.testing import run_tests

README = (Path(__file__).parents[2] / "rules" / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## A digest")[2].partition("\n## ")[0]

BRANDS = """\
version: 1
brands:
  - org: 50750
    name: Example Rewards
    from: rewards@example.com
    endpoints: [{name: crm, url: "https://crm.example.com/", secrets: ["env:CRM"]}]
"""
CASE = """\
version: 1
cases:
  - name: One event is told
    event: pointsExpiryReminder
    set: {orgId: 50750, data.scheduledExpiryDate: "2099-12-31", data.pointsScheduledForExpiry: 300}
    contact: {email: asha@example.com}
    expect:
      - {rule: expiring-today, email: {subject: 1 lots of points expire, contains: 300 points on 31 December 2099}}
      - {rule: expiring-today, webhook: {to: crm, body: {member: 381750905, points: 300}}}
"""


def test_the_example_is_sound_and_sends_what_it_says() -> None:
    (rules,) = re.findall(r"```yaml\n(.*?)```", SECTION, re.DOTALL)
    (template,) = re.findall(r"```\n(---.*?)```", SECTION, re.DOTALL)
    files = {
        "rules.yaml": rules,
        "brands/all.yaml": BRANDS,
        "templates/expiring-today.en.txt": template,
        "rules_test.yaml": CASE,
    }
    sources = [Source(path=path, data=text.encode()) for path, text in files.items()]
    assert [str(each) for each in check(sources)] == []
    assert told(run_tests(load(sources), tuple(sources))) == ""
