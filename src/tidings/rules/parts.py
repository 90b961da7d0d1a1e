"""What the shapes of rules and brands are made of: the base of all, names, texts, expressions, lists."""

import re
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictStr
from pydantic_core import PydanticCustomError

_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

_Item = TypeVar("_Item")


def identifier(text: str) -> str:
    """Check a name."""
    if not _IDENTIFIER.fullmatch(text):
        hint = "use up to 100 letters, digits, dots, dashes and underscores, beginning with a letter or digit"
        raise PydanticCustomError("invalid-name", "this is not a name", {"hint": hint})
    return text


def _filled(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("invalid-value", "this must not be empty")
    return text


def _not_empty(items: tuple[_Item, ...]) -> tuple[_Item, ...]:
    """Refuse an empty list; unlike a length of the field, say nothing when its items are what is wrong."""
    if not items:
        raise PydanticCustomError("invalid-value", "this must not be an empty list")
    return items


def kind_of(value: Any) -> str | None:
    """Tell the forms a value may take apart, so that only one of them is reported on."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, list | tuple):
        return "list"
    if isinstance(value, int | float) and not isinstance(value, bool):
        return "number"
    return "mapping" if isinstance(value, dict | BaseModel) else None


Filled = AfterValidator(_not_empty)

Name = Annotated[StrictStr, AfterValidator(identifier)]
Text = Annotated[StrictStr, AfterValidator(_filled)]
Expression = Annotated[StrictStr, Field(json_schema_extra={"format": "jmespath"})]


class Shape(BaseModel):
    """A mapping in which unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)
