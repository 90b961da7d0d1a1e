"""The reference of every setting, made from the settings' own docstrings."""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tidings.channels import parse_duration
from tidings.config.settings import Settings

_HEAD: Final = """\
# Configuration

Written by `tidings config reference` from the settings' own descriptions; a test keeps it so. Settings are read from
the YAML file that `tidings serve --config` names, or `tidings.yaml`. The environment wins over the file:
`TIDINGS_GRPC__LISTEN` is `grpc.listen`; maps and lists are given as JSON. Durations read `500ms`, `15s`, `2m`, `1h` or
`1d`. Secrets are references, `env:NAME` or `file:PATH`, never values. `tidings config show` prints what a configuration
comes to.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing that can be configured."""

    key: str
    """Where it stands, such as ``grpc.tls.key``; ``NAME`` and ``[]`` stand for what maps and lists hold."""
    default: str
    """As JSON-like text; empty where it must be given."""
    about: str


def settings_reference() -> list[tuple[str, str, list[Setting]]]:
    """Return every section's key, description and settings; those outside sections come first, under no key."""
    sections = [("", "", list(_plain(Settings, "")))]
    sections += [(key, about, list(_plain(model, key))) for key, about, model in _sections(Settings, "")]
    return [section for section in sections if section[2]]


def write_reference() -> str:
    """Return the reference as Markdown."""
    lines = [_HEAD]
    for key, about, settings in settings_reference():
        lines += [f"## `{key}`\n", f"{about}\n"] if key else ["## Outside of sections\n"]
        lines += ["| setting | default | |", "|---|---|---|"]
        lines += [f"| `{each.key}` | {_code(each.default)} | {each.about} |" for each in settings]
        lines.append("")
    return "\n".join(lines)


def _sections(model: type[BaseModel], key: str) -> Iterator[tuple[str, str, type[BaseModel]]]:
    for name, field in model.model_fields.items():
        for held, suffix in _models(field.annotation):
            place = _join(key, name) + suffix
            yield place, _first_paragraph(held), held
            yield from _sections(held, place)


def _plain(model: type[BaseModel], key: str) -> Iterator[Setting]:
    abouts = _field_docstrings(model)
    for name, field in model.model_fields.items():
        sections = list(_models(field.annotation))
        about = abouts.get(name, "")
        if sections and not about:
            continue
        yield Setting(key=_join(key, name), default=_default(field), about=about)


def _models(annotation: Any, suffix: str = "") -> Iterator[tuple[type[BaseModel], str]]:
    """Yield the sections that a value may hold, with what leads to them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, suffix
        return
    origin = getattr(annotation, "__origin__", None)
    step = ".NAME" if origin is dict else "[]" if origin in (list, tuple) else ""
    seen: set[type[BaseModel]] = set()
    for each in get_args(annotation):
        if each in (NoneType, Ellipsis):
            continue
        for model, place in _models(each, suffix + step):
            if model not in seen:
                seen.add(model)
                yield model, place


def _field_docstrings(model: type[BaseModel]) -> Mapping[str, str]:
    """Return the text under each field of a class and of those it is made from."""
    found: dict[str, str] = {}
    for part in reversed(model.__mro__):
        if part in (BaseModel, object) or not issubclass(part, BaseModel) or part.__module__.startswith("pydantic"):
            continue
        (definition,) = ast.parse(textwrap.dedent(inspect.getsource(part))).body
        for before, after in itertools.pairwise(definition.body if isinstance(definition, ast.ClassDef) else ()):
            text = _text(after)
            if text and isinstance(before, ast.AnnAssign) and isinstance(before.target, ast.Name):
                found[before.target.id] = _in_line(text)
    return found


def _text(node: ast.stmt) -> str | None:
    """Return the text that a statement consists of."""
    value = node.value.value if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) else None
    return value if isinstance(value, str) else None


def _in_line(text: str) -> str:
    """Write a docstring as it stands in a cell of a table."""
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, float) and any(getattr(each, "func", None) is parse_duration for each in field.metadata):
        return _span(value)
    if isinstance(value, list | tuple | dict):
        return ", ".join(str(each) for each in value) or "none"
    if isinstance(value, BaseModel):
        return "see below"
    known = {PydanticUndefined: "", None: "absent", True: "true", False: "false"}
    plain = isinstance(value, bool) or value in (None, PydanticUndefined)
    return known[value] if plain else str(value)


def _span(seconds: float) -> str:
    """Write a duration in the largest unit that divides it."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _first_paragraph(model: type[BaseModel]) -> str:
    return _in_line(inspect.cleandoc(model.__doc__ or "").partition("\n\n")[0])


def _join(key: str, name: str) -> str:
    return f"{key}.{name}" if key else name


def _code(text: str) -> str:
    if not text:
        return "must be given"
    return text if text in ("absent", "none", "see below") else f"`{text}`"
