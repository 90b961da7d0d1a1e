"""The pages of rules/PROBLEMS.md as data: what each code means, and its examples completed to whole rulebooks.

A block of a page is one example, wrong and right, after lines ``# wrong`` and ``# right``. The words after its fence
say what is shown: ``yaml rule``, ``yaml rules``, ``yaml brand``, ``yaml brands``, ``yaml test``, ``html mjml``,
``html html``, ``html partial``, ``text files``. Around it stands the least that makes a sound rulebook.
"""

import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tidings.model import Problem, SecretRef, Source
from tidings.rulebook import check
from tidings.rulebook.testing import check_tests
from tidings.rules import compile_rules

ROOT: Final = Path(__file__).parents[1]
PAGES: Final = ROOT / "rules" / "PROBLEMS.md"

_PAGE: Final = re.compile(r"^### `(?P<code>[^`]+)`\n\n(?P<text>.*?)(?=^##+ |\Z)", re.MULTILINE | re.DOTALL)
_BLOCK: Final = re.compile(
    r"^```(?P<kind>[a-z]+ [a-z]+)\n# wrong\n(?P<wrong>.*?)^# right\n(?P<right>.*?)^```$", re.MULTILINE | re.DOTALL
)

Files = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What is written of one code; ``kind`` is empty where there is no example."""

    code: str
    meaning: str
    kind: str = ""
    wrong: str = ""
    right: str = ""

    def __str__(self) -> str:
        return self.code


def pages() -> tuple[Page, ...]:
    """Read every page, in order."""
    found = []
    for page in _PAGE.finditer(PAGES.read_text(encoding="utf-8")):
        meaning = " ".join(page["text"].partition("\n\n")[0].split())
        block = _BLOCK.search(page["text"])
        example = block.groupdict() if block else {}
        found.append(Page(code=page["code"], meaning=meaning, **example))
    return tuple(found)


RULES: Final = """\
version: 1
rules:
  - id: points-expiring-soon
    event: pointsExpiryReminder
    notify:
      - webhook: {to: crm}
"""
BRANDS: Final = """\
version: 1
brands:
  - org: 50750
    name: Example Rewards
    from: Example Rewards <rewards@example.com>
    alerts_to: [loyalty-team@example.com]
    endpoints:
      - {name: crm, url: "https://crm.example.com/hooks", secrets: ["env:EXAMPLE_CRM_SECRET"]}
      - {name: lake, url: "https://lake.example.com/in", secrets: ["env:EXAMPLE_CRM_SECRET"]}
"""
TEMPLATE: Final = "templates/points-expiring-soon.en.mjml"
FOOTER: Final = "templates/_partials/footer.mjml"
_HEAD: Final = "---\nsubject: Your points expire soon\n---\n"
_INSIDE: Final = "<mjml><mj-body><mj-section><mj-column>\n{}</mj-column></mj-section></mj-body></mjml>\n"
SOUND: Final[Files] = {
    "rules.yaml": RULES,
    "brands/all.yaml": BRANDS,
    TEMPLATE: _HEAD + _INSIDE.format("<mj-text>Dear member</mj-text>\n"),
    FOOTER: "<mj-text>Example Rewards</mj-text>\n",
}
"""A rulebook without a problem."""

_TO_CUSTOMER: Final = "email: {to: customer, template: points-expiring-soon}"
SENDING: Final[Mapping[str, str]] = {
    "no-endpoints": "webhook: {to: all}",
    "no-alert-addresses": "email: {to: brand, template: points-expiring-soon}",
}
"""What the rule sends beside an example of brands, where the page of the code says so."""


def completed(page: Page, text: str) -> list[Source]:
    """Return an example of a page as a whole rulebook."""
    files = {**SOUND, **_COMPLETED[page.kind.split()[1]](page, text)}
    return [Source(path=path, data=content.encode()) for path, content in files.items() if content]


def _rule(_: Page, text: str) -> Files:
    lines = text if re.search(r"^id:", text, re.MULTILINE) else "id: points-expiring-soon\n" + text
    for key, default in (("event", "pointsExpiryReminder"), ("notify", "[{webhook: {to: crm}}]")):
        if not re.search(rf"^{key}:", lines, re.MULTILINE):
            lines += f"{key}: {default}\n"
    return {"rules.yaml": "version: 1\nrules:\n  - " + textwrap.indent(lines, "    ").lstrip(" ")}


def _brand(page: Page, text: str) -> Files:
    given = {line.partition(":")[0] for line in text.splitlines()}
    defaults = {"org": "50750", "name": "Example Rewards", "from": "rewards@example.com"}
    lines = "".join(f"{key}: {value}\n" for key, value in defaults.items() if key not in given) + text
    brands = "version: 1\nbrands:\n  - " + textwrap.indent(lines, "    ").lstrip(" ")
    return {"brands/all.yaml": brands, **_sending(page)}


def _sending(page: Page) -> Files:
    return {"rules.yaml": RULES.replace("webhook: {to: crm}", SENDING.get(page.code, _TO_CUSTOMER))}


_REHEARSED: Final = frozenset({"template-fails", "unknown-contact", "unsafe-message"})
"""Codes of what is found only in templates that a rule sends."""


def _template(page: Page, text: str) -> Files:
    kind = page.kind.split()[1]
    inside = _INSIDE.format(text) if kind == "mjml" else text
    rules = _sending(page) if page.code in _REHEARSED else {}
    return {**rules, TEMPLATE: "", TEMPLATE.replace("mjml", kind): text if text.startswith("---") else _HEAD + inside}


def _files(_: Page, text: str) -> Files:
    """Make a sound file of every name; what else is told of one stands behind its name."""
    made = {}
    names = [line.split(" with ")[0] for line in text.splitlines()]
    for line, name in zip(text.splitlines(), names, strict=True):
        if name.startswith("templates/"):
            beside = name.endswith(".txt") and any(each != name for each in names)
            head = _HEAD if "with text:" not in line else _HEAD.replace("---\n", "---\ntext: Dear member\n", 1)
            body = _INSIDE.format("<mj-text>Dear member</mj-text>\n") if name.endswith("mjml") else "Dear member\n"
            made[name] = body if beside else head + body
        else:
            made[name] = RULES.replace("points-expiring-soon", "welcome")
    return made


_COVERING: Final = """\
  - name: A member is told
    event: pointsExpiryReminder
    expect: [{rule: points-expiring-soon, webhook: {to: crm}}]
"""


def _test(page: Page, text: str) -> Files:
    """Put a case beside a sound one, lest its rule count as untested where that is not the point."""
    defaults = {
        "name": "A member is told",
        "event": "pointsExpiryReminder",
        "expect": "[{rule: points-expiring-soon, webhook: {to: crm}}]",
    }
    given = {line.partition(":")[0] for line in text.splitlines()}
    lines = "".join(f"{key}: {value}\n" for key, value in defaults.items() if key not in given) + text
    beside = "" if page.code == "untested-rule" else _COVERING
    cases = f"version: 1\ncases:\n{beside}  - " + textwrap.indent(lines, "    ").lstrip(" ")
    return {"rules_test.yaml": cases}


_COMPLETED: Final[Mapping[str, Callable[[Page, str], Files]]] = {
    "rule": _rule,
    "rules": lambda page, text: {"rules.yaml": text},
    "brand": _brand,
    "brands": lambda page, text: {"brands/all.yaml": text, **_sending(page)},
    "mjml": _template,
    "html": _template,
    "partial": lambda page, text: {FOOTER: text},
    "files": _files,
    "test": _test,
}


def found(sources: Sequence[Source]) -> tuple[Problem, ...]:
    """Return what the command finds in files, where of all secrets EXAMPLE_CRM_SECRET is there."""
    silent = compile_rules(sources, templates=None, secrets=None, report=lambda problem: None)
    return tuple(sorted({*check(sources, secrets=known_secret), *check_tests(sources, silent)}))


def known_secret(reference: SecretRef) -> str | None:
    """Stand for a machine that has one secret."""
    return "whsec_bWFkZSB1cCBmb3IgdGVzdHMgb25seQ==" if reference.name == "EXAMPLE_CRM_SECRET" else None


def with_rules(data: bytes) -> Sequence[Source]:
    """Return a sound rulebook but for its rules file."""
    return [Source(path=path, data=data if path == "rules.yaml" else text.encode()) for path, text in SOUND.items()]


def with_condition(expression: str) -> Sequence[Source]:
    """Return a sound rulebook but for its rule's condition."""
    return with_rules(RULES.replace("notify:", f"when: {expression}\n    notify:").encode())


_BOMB: Final = "a: &a [{}]\n" + "".join(
    f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def with_event(data: str) -> Sequence[Source]:
    """Return a sound rulebook with a case that takes its event from a file of this text."""
    cases = f"version: 1\ncases:\n{_COVERING}{_COVERING.replace('pointsExpiryReminder', 'event.json')}"
    files = {**SOUND, "rules_test.yaml": cases, "event.json": data}
    return [Source(path=path, data=text.encode()) for path, text in files.items()]


IN_WORDS: Final[Mapping[str, Callable[[], Sequence[Source]]]] = {
    "alias-bomb": lambda: with_rules(_BOMB.encode()),
    "nesting-too-deep": lambda: with_rules(b"[" * 100_000),
    "file-too-large": lambda: with_rules(b"#" * 1_000_001),
    "not-utf-8": lambda: with_rules(RULES.encode("utf-16")),
    "control-character": lambda: with_rules(RULES.replace("points-", "points\x07-").encode()),
    "invalid-event": lambda: with_event(
        '{"eventName":"pointsExpiryReminder","orgId":1,"refId":"%s"}' % ("x" * 2_000_000)
    ),
    "number-too-long": lambda: with_condition(f"data.customerIdentifiers[{'9' * 5000}]"),
    "expression-too-long": lambda: with_condition("data." + "x" * 20_000),
    "expression-too-deep": lambda: with_condition("(" * 1000 + "data" + ")" * 1000),
}
"""Mistakes that no page can show, made here."""

OF_THE_MACHINE: Final = frozenset({"unreadable", "store-unavailable"})
"""Codes of what is no fault of the files; the command and the gateway have tests of their own for them."""
