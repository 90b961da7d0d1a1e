"""Holding a document against a shape: pydantic's findings as problems at their places, in words for the writer.

A shape may raise ``PydanticCustomError`` with a kebab-case type: the type becomes the problem's code and ``hint`` in
its context the hint (``on_key`` puts it at the key). What is made here names keys and kinds and never repeats a
value, which may be a secret.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from tidings.documents.document import Document, Path
from tidings.documents.nearness import did_you_mean
from tidings.model import Problem

ShapeT = TypeVar("ShapeT", bound=BaseModel)

_WANTED: Final = {
    "string_type": "a text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "mapping_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "none_required": "left out",
}
_CHOICE: Final = frozenset({"literal_error", "enum"})


def validate(
    document: Document, shape: type[ShapeT], report: Callable[[Problem], None], *, at: Path = ()
) -> ShapeT | None:
    """Return what stands at a path as the shape, or None after reporting everything that does not fit."""
    value = document.value(at)
    try:
        return shape.model_validate(value)
    except ValidationError as error:
        for details in error.errors(include_url=False):
            report(_problem(document, shape, at, details))
        return None


def _problem(document: Document, shape: type[BaseModel], at: Path, details: ErrorDetails) -> Problem:
    kind, loc = details["type"], details["loc"]
    path = _existing(document, at, loc)
    if kind == "missing":
        owner = _names(document.value(path))
        message = f"the key {loc[-1]!r} is missing"
        near = did_you_mean(str(loc[-1]), owner)
        hint = near.replace("did you mean", "is it the one written") if near else ""
        return document.problem(path, code="missing-key", message=message, hint=hint)
    if kind == "extra_forbidden":
        name = str(loc[-1])
        owners = _owners(shape, loc[:-1])
        known = sorted(field.alias or key for owner in owners for key, field in owner.model_fields.items())
        hint = did_you_mean(name, known) or f"the keys here are {', '.join(known)}"
        return document.problem(path, key=True, code="unknown-key", message=f"unknown key {name!r}", hint=hint)
    code, message, hint = _explain(details)
    on_key = bool((details.get("ctx") or {}).get("on_key"))
    return document.problem(path, key=on_key, code=code, message=message, hint=hint)


def _explain(details: ErrorDetails) -> tuple[str, str, str]:
    """Return code, message and hint of a value that does not fit."""
    kind, given, context = details["type"], details["input"], details.get("ctx") or {}
    if "-" in kind:
        return kind, details["msg"], str(context.get("hint", ""))
    if kind in _CHOICE:
        message = f"this must be {context['expected']}"
        if isinstance(given, str):
            return "invalid-value", message, did_you_mean(given, str(context["expected"]).split("'")[1::2])
        return "invalid-value", message, ""
    if kind in _WANTED:
        hint = "put quotes round it" if kind == "string_type" and given.__class__ in (int, float) else ""
        if _WANTED[kind] == "a list" and given.__class__ in (str, int, float):
            hint = "put square brackets round it: […]"
        return "wrong-type", f"this must be {_WANTED[kind]}, not {_kind_of(given)}", hint
    message = details["msg"]
    return "invalid-value", message[:1].lower() + message[1:], ""


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "empty"
        case bool():
            return "true or false"
        case int() | float():
            return "a number"
        case str():
            return "a text"
        case Mapping():
            return "a mapping"
        case _:
            return "a list"


def _names(value: Any) -> Sequence[str]:
    return list(value) if isinstance(value, dict) else ()


def _existing(document: Document, at: Path, loc: Path) -> Path:
    """Return the part of a pydantic location that the document has; the rest is union branches and what is missing."""
    path = at
    for step in loc:
        if document.has((*path, step)):
            path = (*path, step)
    return path


def _owners(shape: Any, loc: Path) -> list[type[BaseModel]]:
    """Return the models that a shape allows at a pydantic location."""
    shapes = [shape]
    for step in loc:
        shapes = [each for parent in shapes for each in _inside(parent, step)]
    return [model for parent in shapes for model in _models(parent)]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models an annotation allows."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _models(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for each in get_args(annotation):
            yield from _models(each)
    elif isinstance(annotation, type) and origin is None and issubclass(annotation, BaseModel):
        yield annotation


def _inside(annotation: Any, step: str | int) -> Iterator[Any]:
    """Yield the annotations one step of a location further; a step that names a union branch stays where it is."""
    models = list(_models(annotation))
    found = [
        field.annotation
        for model in models
        for name, field in model.model_fields.items()
        if step == (field.alias or name)
    ]
    if found:
        yield from found
    elif isinstance(step, int):
        yield from _items(annotation)
    else:
        yield annotation


def _items(annotation: Any) -> Iterator[Any]:
    """Yield the types of the items of a list-like annotation."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _items(arguments[0])
    elif origin in (Union, UnionType):
        for each in arguments:
            yield from _items(each)
    elif isinstance(origin, type) and issubclass(origin, Sequence):
        yield from (each for each in arguments if each is not Ellipsis)
