"""Rulebooks that come with a request: what is refused, and how much is done at once."""

import asyncio

import pytest

from rules_kit import BRANDS, sources
from tidings.authoring.given import GivenRulebooks, check_files
from tidings.errors import FieldViolation, InvalidRequest, Overloaded
from tidings.model import Source


@pytest.mark.parametrize(
    ("paths", "violations"),
    [
        ([], [("files", "give the rulebook's files")]),
        (
            ["a.yaml", "../b.yaml"],
            [("files[1].path", "must be a path within the rulebook's folder, with forward slashes")],
        ),
        (["/a.yaml"], [("files[0].path", "must be a path within the rulebook's folder, with forward slashes")]),
        (["a\\b.yaml"], [("files[0].path", "must be a path within the rulebook's folder, with forward slashes")]),
        (["a.yaml", "a.yaml"], [("files[1].path", "is given twice")]),
        ([""], [("files[0].path", "name the file by its path within the rulebook's folder")]),
        (["x" * 201], [("files[0].path", "must be at most 200 printable characters")]),
        (["a\n.yaml"], [("files[0].path", "must be at most 200 printable characters")]),
        ([f"{number}.yaml" for number in range(2_001)], [("files", "at most 2000 files are taken, got 2001")]),
    ],
)
def test_files_that_are_no_rulebook_are_refused(paths: list[str], violations: list[tuple[str, str]]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_files([Source(path=path, data=b"version: 1\n") for path in paths])
    assert [(each.field, each.description) for each in refused.value.violations] == violations


async def test_each_error_is_named_by_file_and_place() -> None:
    rules = "version: 1\nrules:\n  - {id: one, event: pointsIsued, notify: [{webhook: {to: crm}}]}\n"
    with pytest.raises(InvalidRequest) as refused:
        await GivenRulebooks().load(sources(rules, BRANDS))
    assert refused.value.violations == (
        FieldViolation(
            field="files[rules.yaml]:3:22",
            description="[unknown-event] there is no event 'pointsIsued'; did you mean 'pointsIssued'?",
        ),
    )


async def test_of_very_many_errors_only_so_much_is_told_as_headers_hold() -> None:
    rules = "version: 1\nrules:\n" + "".join(f"  - {{id: r{number}, evnt: {'x' * 400}}}\n" for number in range(200))
    with pytest.raises(InvalidRequest) as refused:
        await GivenRulebooks().load(sources(rules, BRANDS))
    *told, rest = refused.value.violations
    assert len(str(refused.value)) < 2_000
    assert len(told) > 1
    assert rest.field == "files"
    assert rest.description.endswith("more errors; CheckRules lists them all")


async def test_more_rulebooks_than_may_wait_are_refused_for_now() -> None:
    given = GivenRulebooks()
    files = sources("version: 1\nrules: []\n", BRANDS)
    outcomes = await asyncio.gather(*(given.check(files) for _ in range(20)), return_exceptions=True)
    refused = [each for each in outcomes if isinstance(each, Overloaded)]
    assert (len(refused), len(outcomes) - len(refused)) == (2, 18)
    assert await given.check(files) == ()
