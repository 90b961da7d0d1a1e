"""``tidings catalog``: the events the gateway knows."""

import json
from collections.abc import Iterator
from typing import Annotated, Any

import typer
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from rich.table import Table

from tidings.cli.terminal import Format, FormatOption, fail, out, print_json
from tidings.events import CatalogEvent, sample
from tidings.events import catalog as known_events

_SCALARS = {
    FieldDescriptor.TYPE_STRING: "text",
    FieldDescriptor.TYPE_INT64: "integer",
    FieldDescriptor.TYPE_DOUBLE: "number",
    FieldDescriptor.TYPE_BOOL: "boolean",
}
_OPEN = "google.protobuf.Struct"
_DEEPEST = 12
"""Messages may hold themselves; no published payload nests deeper."""


def catalog(
    event: Annotated[str | None, typer.Argument(help="One event, by name or alias; all when absent.")] = None,
    form: FormatOption = Format.TEXT,
) -> None:
    """List the events; for one, its fields, types and a sample.

    Example: tidings catalog pointsExpiryReminder
    """
    if event is None:
        _list(form)
        return
    known = known_events().find(event)
    if known is None:
        fail(f"there is no event {event!r} in the catalog; tidings catalog lists them all")
    _show(known, form)


def _list(form: Format) -> None:
    if form is Format.JSON:
        print_json({"events": [_facts(each) for each in known_events()]})
        return
    table = Table("event", "subject", "publisher", "what happened")
    for each in sorted(known_events(), key=lambda known: (known.subject, known.name)):
        table.add_row(each.name, each.subject, each.publisher, each.description)
    out.print(table)
    out.print(f"{len(known_events())} events; tidings catalog EVENT shows one")


def _show(known: CatalogEvent, form: Format) -> None:
    fields = [{"path": path, "type": kind} for path, kind in _fields(known.message, "data")]
    if form is Format.JSON:
        print_json({**_facts(known), "fields": fields, "sample": sample(known.name)})
        return
    out.print(f"[bold]{known.name}[/bold]  {known.description}", highlight=False)
    if known.aliases:
        out.print(f"also spelt {', '.join(known.aliases)}", highlight=False)
    if known.customer_id_expression:
        out.print(f"concerns the customer at {known.customer_id_expression}", highlight=False)
    table = Table("path in a rule", "type")
    for field in fields:
        table.add_row(field["path"], field["type"])
    out.print(table)
    out.print("a sample, as its publisher sends it:")
    out.print(json.dumps(sample(known.name), indent=2, ensure_ascii=False), markup=False, soft_wrap=True)


def _facts(known: CatalogEvent) -> dict[str, Any]:
    return {
        "name": known.name,
        "aliases": list(known.aliases),
        "subject": known.subject,
        "publisher": known.publisher,
        "description": known.description,
        "message": known.message.full_name,
        "customer_id_path": known.customer_id_expression,
    }


def _fields(message: Descriptor, prefix: str, depth: int = 0) -> Iterator[tuple[str, str]]:
    """Yield every path of a message with its type, as a rule writes it: lists as ``path[]``."""
    for field in message.fields if depth < _DEEPEST else ():
        path = f"{prefix}.{field.json_name}"
        many = field.is_repeated
        inner = field.message_type
        if inner is None:
            yield path, f"list of {_SCALARS[field.type]}" if many else _SCALARS[field.type]
        elif inner.GetOptions().map_entry:
            yield path, "map of text"
        elif inner.full_name == _OPEN:
            yield path, "any object"
        else:
            yield path, "list of objects" if many else "object"
            yield from _fields(inner, f"{path}[]" if many else path, depth + 1)
