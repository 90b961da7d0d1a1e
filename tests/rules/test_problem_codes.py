"""rules/PROBLEMS.md is true: its examples are checked, and it has a page for every code there is."""

import re

import pytest

from problem_codes_kit import IN_WORDS, OF_THE_MACHINE, PAGES, SOUND, Page, completed, found, pages
from problem_codes_scan_kit import codes_in, emitted_codes
from tidings.cli.codes import MEANINGS
from tidings.cli.excerpt import WIDEST, render
from tidings.model import Severity, Source

SHOWN = [page for page in pages() if page.kind]
_WARNING = "(Warning.)"


def test_the_rulebook_around_the_examples_is_sound() -> None:
    assert found([Source(path=path, data=text.encode()) for path, text in SOUND.items()]) == ()


@pytest.mark.parametrize("page", SHOWN, ids=str)
def test_a_wrong_example_has_that_one_problem(page: Page) -> None:
    problems = found(completed(page, page.wrong))
    level = Severity.WARNING if _WARNING in page.meaning else Severity.ERROR
    assert [(each.code, each.severity) for each in problems] == [(page.code, level)]


@pytest.mark.parametrize("page", SHOWN, ids=str)
def test_a_right_example_has_no_problem(page: Page) -> None:
    assert [str(each) for each in found(completed(page, page.right))] == []


@pytest.mark.parametrize("code", IN_WORDS)
def test_a_mistake_that_no_page_can_show_is_that_one_problem(code: str) -> None:
    sources = IN_WORDS[code]()
    problems = found(sources)
    assert [each.code for each in problems] == [code]
    (shown,) = render(problems, sources)
    assert max(map(len, shown.splitlines()[1:])) <= WIDEST + 20


def test_every_code_that_can_be_reported_has_a_page_and_every_page_a_code() -> None:
    written = {page.code for page in pages()}
    emitted = emitted_codes() - {"expression"}  # the root of the tree of errors, never raised itself
    patterns = {re.compile(each.replace("*", "[a-z]+")) for each in emitted if "*" in each}
    made = {code for code in written if any(pattern.fullmatch(code) for pattern in patterns)}
    assert written == {each for each in emitted if "*" not in each} | made
    assert all(any(pattern.fullmatch(code) for code in written) for pattern in patterns)


def test_a_page_without_an_example_is_for_what_cannot_be_shown() -> None:
    assert {page.code for page in pages() if not page.kind} == set(IN_WORDS) | OF_THE_MACHINE


def test_no_code_has_two_pages() -> None:
    written = [page.code for page in pages()]
    assert sorted(set(written)) == sorted(written)


def test_the_meanings_that_reviews_show_are_those_of_the_pages() -> None:
    assert dict(MEANINGS) == {page.code: page.meaning for page in pages()}


def test_the_contents_list_every_page() -> None:
    contents = PAGES.read_text(encoding="utf-8").partition("\n## ")[0]
    assert sorted(re.findall(r"\[`([^`]+)`\]\(#\1\)", contents)) == sorted(page.code for page in pages())


def test_the_example_of_a_report_is_what_the_command_prints() -> None:
    """Both pages show it, and either must be as the command prints it."""
    page = next(page for page in pages() if page.code == "number-without-backticks")
    sources = completed(page, page.wrong)
    printed = "".join(render(found(sources), sources)).replace("rules.yaml:4:", "loyalty.yaml:8:")
    for file in (PAGES, PAGES.with_name("README.md")):
        assert f"```\n{printed}```\n" in file.read_text(encoding="utf-8")


SCANNED = {
    "argument": ("report(Problem(code='a-b'))", {"a-b"}),
    "by position": ("def say(node, code): ...\nsay(1, 'a-b')", {"a-b"}),
    "method": ("class X:\n  def say(self, code): ...\nself.say('a-b')", {"a-b"}),
    "class": ("class Slip:\n  message: str\n  code: str\nSlip('text', 'a-b')", {"a-b"}),
    "constructor": ("class Fault:\n  def __init__(self, code): ...\nFault('a-b')", {"a-b"}),
    "attribute": ("class Bad(Error):\n  default_code = 'a-b'", {"a-b"}),
    "of evaluating": ("class Bad(EvaluationError):\n  default_code = 'a-b'", set()),
    "unpacked": ("code, text = 'a-b', 'c-d'", {"a-b"}),
    "from a table": ("T: dict = {'x': ('a-b', 'c-d')}\ncode, text = T[x]", {"a-b"}),
    "returned": ("def f():\n  return 'c-d', 'a-b'\ntext, code = f()", {"a-b"}),
    "either": ("say(code='a-b' if x else 'c-d')", {"a-b", "c-d"}),
    "put together": ("say(code=f'a-{x}')", {"a-*"}),
    "of a shape": ("raise PydanticCustomError('a-b', 'c-d')", {"a-b"}),
    "elsewhere": ("say('a-b', colour='c-d')", set()),
}


@pytest.mark.parametrize("case", SCANNED)
def test_codes_are_read_off_the_source(case: str) -> None:
    text, codes = SCANNED[case]
    assert codes_in({"x.py": text}) == codes
