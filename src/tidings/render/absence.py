"""What a template holds in place of a field that is absent or null.

It may be tested, compared and given a ``default``, and asked for further fields; printing it, looping over it or
calculating with it fails with the name of what is missing.
"""

from collections.abc import Iterator
from typing import Any, Never

from jinja2 import TemplateRuntimeError, Undefined, UndefinedError
from jinja2.utils import missing


class Absent(UndefinedError):
    """Something was made of a field that the event does not have; ``name`` is as much of its path as is known."""

    def __init__(self, name: str | None = None) -> None:
        self.name = name or ""
        super().__init__(self.name)


class Missing(Undefined):
    """An absent field; asking it for a field gives another, with the longer name."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: Any = missing,
        name: str | None = None,
        exc: type[TemplateRuntimeError] = Absent,
    ) -> None:
        super().__init__(hint, obj, name, exc)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.beyond(name)

    def __getitem__(self, key: Any) -> "Missing":  # type: ignore[override]  # Jinja's own never returns
        return self.beyond(key)

    def __str__(self) -> str:
        return self._fail()

    def __iter__(self) -> Iterator[Any]:
        return self._fail()

    def __len__(self) -> int:
        return self._fail()

    def __eq__(self, other: object) -> bool:
        return other is None or isinstance(other, Undefined)

    def __hash__(self) -> int:
        return hash(None)

    def beyond(self, key: str | int) -> "Missing":
        """Return what stands for a field of this absent field."""
        return Missing(name=f"{self._undefined_name}.{key}", exc=self._undefined_exception)

    @property
    def _undefined_message(self) -> str:
        return self._undefined_hint or str(self._undefined_name)

    def _fail(self) -> Never:
        raise self._undefined_exception(self._undefined_message)


def is_nothing(value: object) -> bool:
    """Say whether a value is null or absent."""
    return value is None or isinstance(value, Undefined)


def is_something(value: object) -> bool:
    """Say whether a value is neither null nor absent."""
    return not is_nothing(value)
