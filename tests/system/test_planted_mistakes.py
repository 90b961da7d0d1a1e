"""Mistakes planted in a large rulebook, and files that no rulebook should hold, through the real command."""

import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway_kit import run_tidings

RULES_FILES, TEMPLATES, BRANDS_FILES = 120, 60, 20
SANE_SECONDS = 20.0
"""A loaded machine included; it takes two or three."""

RULE = """\
  - id: rule-{number}
    event: pointsExpiryReminder
    orgs: [{org}]
    when: data.pointsScheduledForExpiry > `{number}` && data.loyaltyProgramDetails.name == 'GOLD'
    notify:
      - email: {{to: customer, template: reminder-{template}}}
      - webhook: {{to: crm, type: loyalty.points_expiring, body: {{points: data.pointsScheduledForExpiry}}}}
"""
BRAND = """\
version: 1
brands:
  - org: {org}
    name: Example Rewards {org}
    from: Example Rewards <rewards@example.com>
    time_zone: Asia/Kolkata
    endpoints:
      - {{name: crm, url: "https://crm.example.com/hooks", secrets: ["env:EXAMPLE_CRM_SECRET"]}}
"""
TEMPLATE = """\
---
subject: "{{ data.pointsScheduledForExpiry | number }} points expire"
---
<mjml><mj-body><mj-section><mj-column>
  <mj-text>Dear {{ contact.name | default("member") }}</mj-text>
</mj-column></mj-section></mj-body></mjml>
"""


def rulebook_of_200_files() -> dict[str, str]:
    """Return a sound rulebook: four rules a file, each with a template and a brand."""
    files = {f"brands/brand-{number}.yaml": BRAND.format(org=1000 + number) for number in range(BRANDS_FILES)}
    files |= {f"templates/reminder-{number}.en.mjml": TEMPLATE for number in range(TEMPLATES)}
    for file in range(RULES_FILES):
        numbers = range(4 * file, 4 * file + 4)
        rules = (
            RULE.format(number=number, org=1000 + number % BRANDS_FILES, template=number % TEMPLATES)
            for number in numbers
        )
        files[f"rules-{file}.yaml"] = "version: 1\nrules:\n" + "".join(rules)
    return files


WHEN = "when: data.pointsScheduledForExpiry > `{}` && data.loyaltyProgramDetails.name == 'GOLD'\n"

PLANTED = [
    # file, what is replaced, by what (¶ stands before the place that must be told), code
    ("rules-3.yaml", WHEN.format(14), "when: data.pointsScheduledForExpiry > ¶100\n", "number-without-backticks"),
    (
        "rules-17.yaml",
        WHEN.format(71),
        (
            "when: \"data.loyaltyProgramDetails.name == '\\u0047\\x4fLD' && \\\n"
            '      data.¶pointsScheduledForExpry > `1`"\n'
        ),
        "unknown-field",
    ),
    (
        "rules-30.yaml",
        WHEN.format(120),
        "when: 'data.loyaltyProgramDetails.name != ''SILVER'' && data.loyaltyProgramDetails.name ¶= ''GOLD'''\n",
        "single-equals",
    ),
    (
        "rules-44.yaml",
        WHEN.format(178),
        "when: |\n      data.pointsScheduledForExpiry > `100`\n        && ¶data.scheduledExpiryDate > `5`\n",
        "text-against-number",
    ),
    (
        "rules-58.yaml",
        WHEN.format(233),
        (
            "when: >-\n"
            "      data.pointsScheduledForExpiry > `100` &&\n"
            "\n"
            "      ends_with(data.loyaltyProgramDetails.name, 'D') &&\n"
            "      ¶start_with(data.loyaltyProgramDetails.name, 'G')\n"
        ),
        "unknown-function",
    ),
    ("rules-71.yaml", "template: reminder-46", "template: ¶remindr-46", "unknown-template"),
    ("rules-90.yaml", "id: rule-361", "id: ¶rule-17", "duplicate-rule"),
    ("brands/brand-7.yaml", "time_zone: Asia/Kolkata", "time_zone: ¶Asia/Kolkatta", "unknown-time-zone"),
    ("templates/reminder-12.en.mjml", "| default(", "| ¶defalt(", "unknown-filter"),
    ("templates/reminder-41.en.mjml", '"{{ data', '"{{ ¶contact.nme }} {{ data', "unknown-variable"),
]


def plant(files: dict[str, str]) -> Iterator[tuple[str, int, int, str]]:
    """Put each mistake into its file; yield file, line, column and code."""
    for file, sound, mistake, code in PLANTED:
        assert files[file].count(sound) == 1, file
        text = files[file].replace(sound, mistake)
        before = text[: text.index("¶")].split("\n")
        files[file] = text.replace("¶", "")
        yield file, len(before), len(before[-1]) + 1, code


def write(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


async def test_ten_mistakes_in_200_files_are_all_told_at_their_places_and_nothing_else(tmp_path: Path) -> None:
    files = rulebook_of_200_files()
    assert len(files) == 200
    code, out, err = await run_tidings("check", str(write(tmp_path, files)))
    assert (code, out, err) == (0, "", "200 files read: 0 errors, 0 warnings\n")
    planted = sorted(plant(files))
    began = time.monotonic()
    code, out, err = await run_tidings("check", str(write(tmp_path, files)))
    assert time.monotonic() - began < SANE_SECONDS
    assert (code, err) == (1, "200 files read: 10 errors, 0 warnings\n")
    told = [line.partition("]: ")[0] for line in out.splitlines() if "]: " in line and not line.startswith(" ")]
    assert told == [f"{file}:{line}:{column}: error[{code}" for file, line, column, code in planted]


DEMANDING = """\
version: 1
rules:
  - id: {}
    event: pointsIssued
    when: {}
    notify: [{{webhook: {{to: crm}}}}]
"""
BOMB = "a: &a [x]\n" + "".join(
    f"{each}: &{each} [{', '.join([f'*{before}'] * 9)}]\n" for before, each in zip("abcdefgh", "bcdefghi", strict=True)
)
HOSTILE: dict[str, tuple[str | bytes, list[str]]] = {
    "aliases.yaml": (BOMB, ["alias-bomb"]),
    "binary.yaml": (bytes(range(256)) * 20, ["not-utf-8"]),
    "brackets.yaml": ("[" * 100_000, ["nesting-too-deep"]),
    "braces.yaml": ("{a: " * 100_000, ["nesting-too-deep"]),
    "control.yaml": (b"version: 1\nrules: \x00[]\n", ["control-character"]),
    "empty.yaml": ("", ["wrong-type"]),
    "huge.yaml": ("# a comment\n" * 100_000, ["file-too-large"]),
    "list.yaml": ("- 1\n- 2\n", ["wrong-type"]),
    "long.yaml": (DEMANDING.format("long", "data." + "x" * 100_000), ["expression-too-long"]),
    "not.yaml": (DEMANDING.format("not", "'" + "!" * 1000 + "data'"), ["expression-too-deep"]),
    "number.yaml": ("version: " + "9" * 100_000 + "\nrules: []\n", ["invalid-value"]),
    "parentheses.yaml": (DEMANDING.format("deep", "(" * 1000 + "data" + ")" * 1000), ["expression-too-deep"]),
    "templates/binary.en.mjml": (bytes(range(256)), ["not-utf-8"]),
    "templates/deep.en.txt": (
        "---\nsubject: Deep\n---\n{{ " + "(" * 5_000 + "data" + ")" * 5_000 + " }}",
        ["template-syntax"],
    ),
    "templates/empty.en.mjml": ("", ["missing-subject", "mjml-syntax"]),
    "templates/huge.en.txt": ("---\nsubject: Huge\n---\n" + "x" * 300_000, ["file-too-large"]),
    "templates/open.en.mjml": ("---\nsubject: Open", ["front-matter"]),
}


async def test_what_no_rulebook_should_hold_is_told_of_each_file_and_crashes_nothing(tmp_path: Path) -> None:
    write(tmp_path, {name: content for name, (content, _) in HOSTILE.items()})
    write(tmp_path, {"brands/all.yaml": BRAND.format(org=1)})
    (tmp_path / "dangling.yaml").symlink_to(tmp_path / "gone.yaml")
    (tmp_path / "circle.yaml").symlink_to(tmp_path / "circle.yaml")
    (tmp_path / "folder.yaml").mkdir()
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / os.fsdecode(b"caf\xe9.yaml")).write_text("version: 1\nrules: []\n")
    code, out, err = await run_tidings("check", str(tmp_path), "--format", "json")
    found: dict[str, list[str]] = {}
    for problem in json.loads(out)["problems"]:
        found.setdefault(problem["file"], []).append(problem["code"])
    assert found == {name: codes for name, (_, codes) in HOSTILE.items()} | {
        "circle.yaml": ["unreadable"],
        "dangling.yaml": ["unreadable"],
        "folder.yaml": ["ignored-file"],
        "pipe.yaml": ["ignored-file"],
        "caf\\udce9.yaml": ["not-utf-8"],
    }
    assert (code, "Traceback" in err) == (1, False)
    code, text, err = await run_tidings("check", str(tmp_path))
    assert (code, "Traceback" in err) == (1, False)
    assert max(map(len, text.splitlines())) < 250


@pytest.mark.skipif(os.geteuid() == 0, reason="to the superuser every file is readable")
async def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"brands/all.yaml": BRAND.format(org=1)})
    (tmp_path / "brands" / "all.yaml").chmod(0)
    code, out, err = await run_tidings("check", str(tmp_path))
    assert (code, out, err) == (2, "", f"{tmp_path / 'brands' / 'all.yaml'} cannot be read: Permission denied\n")


async def test_a_folder_without_a_rulebook_is_wrong_use(tmp_path: Path) -> None:
    code, out, err = await run_tidings("check", str(tmp_path))
    assert (code, out, err) == (2, "", f"{tmp_path} holds no rulebook: there is no *.yaml in it\n")
