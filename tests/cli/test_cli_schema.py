"""``tidings schema``: what editors are told of a rulebook's files."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from rulebook_testing_kit import FILES, case
from tidings.cli.schema import Kind, json_schema, schema
from tidings.documents import read
from tidings.events import catalog
from tidings.model import Problem, Source

SHIPPED = Path(__file__).parents[2] / "rules"
FOUND = {
    Kind.RULES: sorted(file for file in SHIPPED.glob("*.yaml") if not file.name.endswith("_test.yaml")),
    Kind.TEST: sorted(SHIPPED.glob("*_test.yaml")),
    Kind.BRANDS: sorted(SHIPPED.glob("brands/*.yaml")),
}
FILES_BY_KIND = [pytest.param(kind, file, id=file.name) for kind, files in FOUND.items() for file in files]


def parsed(text: str) -> Any:
    """Return the value of a YAML text, as Tidings reads it."""
    problems: list[Problem] = []
    document = read(Source(path="file.yaml", data=text.encode()), problems.append)
    assert document is not None
    assert problems == []
    return document.value()


def errors(kind: Kind, text: str) -> list[str]:
    """Return the paths of what a schema refuses in a text."""
    validator = Draft202012Validator(json_schema(kind))
    return sorted("/".join(map(str, error.absolute_path)) for error in validator.iter_errors(parsed(text)))


@pytest.mark.parametrize("kind", Kind)
def test_a_schema_is_a_schema(kind: Kind) -> None:
    Draft202012Validator.check_schema(json_schema(kind))


@pytest.mark.parametrize(("kind", "file"), FILES_BY_KIND)
def test_shipped_files_fit_their_schema(kind: Kind, file: Path) -> None:
    assert errors(kind, file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(("kind", "file"), FILES_BY_KIND)
def test_shipped_files_name_their_schema_in_the_first_line(kind: Kind, file: Path) -> None:
    up = "../" * (len(file.relative_to(SHIPPED).parts) - 1)
    first = file.read_text(encoding="utf-8").partition("\n")[0]
    assert first == f"# yaml-language-server: $schema={up}.schemas/{kind.value}.json"
    assert (file.parent / f"{up}.schemas/{kind.value}.json").is_file()


@pytest.mark.parametrize("kind", Kind)
def test_the_shipped_schema_is_what_the_command_prints(kind: Kind) -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(schema)
    ran = CliRunner().invoke(app, [kind.value])
    shipped = (SHIPPED / ".schemas" / f"{kind.value}.json").read_text(encoding="utf-8")
    assert (ran.exit_code, ran.stdout) == (0, shipped), (
        f"tidings schema {kind.value} > rules/.schemas/{kind.value}.json"
    )


def test_an_unknown_kind_is_wrong_use() -> None:
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(schema)
    assert CliRunner().invoke(app, ["templates"]).exit_code == 2


RULE = "version: 1\nrules:\n  - {{id: a, event: {event}, notify: [{notify}]{more}}}\n"


@pytest.mark.parametrize(
    ("kind", "text", "refused"),
    [
        pytest.param(Kind.RULES, FILES["rules.yaml"], [], id="rules"),
        pytest.param(Kind.BRANDS, FILES["brands/all.yaml"], [], id="brands"),
        pytest.param(
            Kind.RULES,
            RULE.format(event="pointsIsued", notify="{webhook: {to: crm}}", more=""),
            ["rules/0/event"],
            id="unknown event",
        ),
        pytest.param(
            Kind.RULES,
            RULE.format(event="[pointsIssued, nope]", notify="{webhook: {to: crm}}", more=""),
            ["rules/0/event"],
            id="unknown event of several",
        ),
        pytest.param(
            Kind.RULES,
            RULE.format(event="pointsIssued", notify="{webhook: {to: crm}}", more=", mode: lvie, nope: 1"),
            ["rules/0", "rules/0/mode"],
            id="unknown key and mode",
        ),
        pytest.param(
            Kind.RULES,
            RULE.format(event="pointsIssued", notify="{}", more=""),
            ["rules/0/notify/0"],
            id="no channel",
        ),
        pytest.param(
            Kind.RULES,
            RULE.format(
                event="pointsIssued", notify="{webhook: {to: crm, body: {a: {b: data.x}, c: any(@)}}}", more=""
            ),
            [],
            id="any expression",
        ),
        pytest.param(Kind.TEST, case("event: pointsIssued\nexpect: []"), [], id="case"),
        pytest.param(
            Kind.TEST, case("event: {any: thing}\nset: {'data.x[0].y': 1}\nexpect: []"), [], id="event inline"
        ),
        pytest.param(Kind.TEST, case("event: fixtures/a.json\nnow: 1\nexpect: []"), [], id="event file"),
        pytest.param(Kind.TEST, case("event: nope\nexpect: []"), ["cases/0/event"], id="unknown event of a case"),
        pytest.param(
            Kind.TEST,
            case("event: pointsIssued\nnow: []\nnope: 1\nexpect: [{rule: a}]"),
            ["cases/0", "cases/0/expect/0", "cases/0/now"],
            id="mistakes of a case",
        ),
    ],
)
def test_a_schema_refuses_what_the_loader_refuses(kind: Kind, text: str, refused: list[str]) -> None:
    assert errors(kind, text.lstrip("\n")) == refused


def test_event_names_are_listed_with_what_they_mean() -> None:
    named = json_schema(Kind.RULES)["$defs"]["EventName"]
    assert sorted(named["enum"]) == sorted(event.name for event in catalog())
    assert dict(zip(named["enum"], named["enumDescriptions"], strict=True)) == {
        event.name: event.description for event in catalog()
    }


@pytest.mark.parametrize(
    "path", ["data.pointsScheduledForExpiry", "data.customerIdentifiers.instore.email", "createdAt"]
)
def test_fields_are_offered_in_expressions_and_in_set(path: str) -> None:
    offered = json_schema(Kind.RULES)["$defs"]["Expression"]["anyOf"][0]["enum"]
    settable = json_schema(Kind.TEST)["$defs"]["CaseShape"]["properties"]["set"]["properties"]
    assert (path in offered, path in settable) == (True, True)


@pytest.mark.parametrize("kind", Kind)
def test_every_key_is_described(kind: Kind) -> None:
    made = json_schema(kind)
    shapes = [made, *(each for name, each in made["$defs"].items() if "properties" in each)]
    assert [key for shape in shapes for key, value in shape["properties"].items() if not value.get("description")] == []
    assert json.dumps(made).count('"title"') <= 1
