"""``tidings schema``: JSON Schemas of a rulebook's files, made of the shapes that load them."""

import enum
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Final

import typer
from google.protobuf.descriptor import Descriptor
from pydantic import BaseModel

from tidings.cli.terminal import print_json
from tidings.events import catalog
from tidings.events.v1.event_pb2 import Event
from tidings.expressions.messages import vendor_fields
from tidings.rulebook.testing import CasesFile
from tidings.rules import BrandsFile, RulesFile

Json = dict[str, Any]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_EVENT: Final = {"$ref": "#/$defs/EventName"}
_EVENT_OR_FILE: Final = {"anyOf": [_EVENT, {"type": "string", "pattern": r"\.json$"}]}
_EXPRESSION: Final = {"$ref": "#/$defs/Expression"}


class Kind(enum.StrEnum):
    """The kinds of files that have a schema."""

    RULES = "rules"
    TEST = "test"
    BRANDS = "brands"


def schema(
    kind: Annotated[Kind, typer.Argument(help="Which files: *.yaml, *_test.yaml or brands/*.yaml.")],
) -> None:
    """Print the JSON Schema (draft 2020-12) of a rulebook's files, for completion and checking in editors.

    Example: tidings schema rules > rules/.schemas/rules.json
    """
    print_json(json_schema(kind))


def json_schema(kind: Kind) -> Json:
    """Return the schema of one kind of file."""
    return _MAKERS[kind]()


def _of_rules() -> Json:
    made = _made(RulesFile, "Rules of Tidings")
    of_rule = made["$defs"]["RuleShape"]["properties"]
    of_rule["event"] = _replaced(of_rule["event"], _is_text, _EVENT)
    whole: Json = _replaced(made, _is_expression, _EXPRESSION)
    whole["$defs"] |= {"EventName": _event_name(), "Expression": _expression()}
    return whole


def _of_test() -> Json:
    made = _made(CasesFile, "Tests of Tidings")
    of_case = made["$defs"]["CaseShape"]["properties"]
    of_case["event"] = _replaced(of_case["event"], _is_text, _EVENT_OR_FILE)
    of_case["set"]["properties"] = {path: {} for path in _field_paths()}
    made["$defs"]["EventName"] = _event_name()
    return made


def _of_brands() -> Json:
    return _made(BrandsFile, "Brands of Tidings")


_MAKERS: Final[Mapping[Kind, Callable[[], Json]]] = {
    Kind.RULES: _of_rules,
    Kind.TEST: _of_test,
    Kind.BRANDS: _of_brands,
}


def _made(shape: type[BaseModel], title: str) -> Json:
    made: Json = _without_titles(shape.model_json_schema(by_alias=True))
    return {"$schema": _DIALECT, "title": title, **made}


def _without_titles(node: Any) -> Any:
    """Leave out the titles that pydantic makes up of the names; a property called title is a mapping and stays."""
    if isinstance(node, list):
        return [_without_titles(each) for each in node]
    if not isinstance(node, dict):
        return node
    return {key: _without_titles(value) for key, value in node.items() if key != "title" or not isinstance(value, str)}


def _replaced(node: Any, meant: Callable[[Json], bool], by: Json) -> Any:
    """Put ``by`` in the place of every part that is meant; its description stays."""
    if isinstance(node, list):
        return [_replaced(each, meant, by) for each in node]
    if not isinstance(node, dict):
        return node
    if meant(node):
        return {key: node[key] for key in ("description",) if key in node} | by
    return {key: _replaced(value, meant, by) for key, value in node.items()}


def _is_text(node: Json) -> bool:
    return node.get("type") == "string"


def _is_expression(node: Json) -> bool:
    return node.get("format") == "jmespath"


def _event_name() -> Json:
    events = sorted(catalog(), key=lambda event: event.name.casefold())
    return {
        "description": "Name of an event, as its publisher spells it.",
        "enum": [event.name for event in events],
        "enumDescriptions": [event.description for event in events],
    }


def _expression() -> Json:
    """Offer the fields of every event; any other expression is fine too."""
    return {"description": "A JMESPath expression.", "type": "string", "anyOf": [{"enum": _field_paths()}, {}]}


def _field_paths() -> list[str]:
    """Return the path of every field that some event has, as conditions write it; lists are not entered."""
    found = {"eventName", *vendor_fields(Event.DESCRIPTOR)}
    for event in catalog():
        found.update(_paths_in(event.message, "data", frozenset()))
    return sorted(found)


def _paths_in(message: Descriptor, prefix: str, around: frozenset[str]) -> Iterator[str]:
    inside = around | {message.full_name}
    for name, field in vendor_fields(message).items():
        path = f"{prefix}.{name}"
        yield path
        within = field.message_type
        if within is None or field.is_repeated or within.GetOptions().map_entry:
            continue
        if within.file.package == message.file.package and within.full_name not in inside:
            yield from _paths_in(within, path, inside)
