"""What a gateway and the process that writes for it tell each other, as bytes.

A frame is a length and marshalled plain values: both ends are the same release of the same interpreter, and marshal
takes a sixth of pickle's time for what is asked and answered most often. Everything else is pickled within the frame.
"""

import copyreg
import marshal
import pickle
import struct
import traceback
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from tidings.store.values import DeliveryChange

_LENGTH: Final = struct.Struct("!I")


class Asking(NamedTuple):
    """A frame to whoever does the work."""

    followed: bool
    """Whether anybody wants to hear of changes."""
    asked: list[tuple[int, int, int, bytes]]
    """Calls: a number that the answer is known by, the work's place among all, rows, what is asked."""
    given_up: list[int]
    """Calls that are to be left undone if they have not begun."""


class Answering(NamedTuple):
    """A frame from there: the answers of one transaction."""

    answered: list[tuple[int, bool, bytes]]
    """Calls: the number, whether it is an answer and not an error, and that."""
    transactions: int
    """How many there were so far."""
    took: float
    """How long this one took, seconds."""
    work: bool
    """Whether deliveries came to wait."""
    more: bytes
    """What moved, for those who follow it, and what is to be logged: pickled ``More``; empty: neither."""


class More(NamedTuple):
    """What is seldom told."""

    changes: list[DeliveryChange]
    entries: list[MutableMapping[str, Any]]


class Frames:
    """Puts frames together again out of what a socket gives."""

    def __init__(self) -> None:
        self._held = bytearray()

    def feed(self, data: bytes) -> Iterable[Any]:
        """Take in some bytes and return the values of the frames that they complete."""
        if not self._held and len(data) > _LENGTH.size:
            (length,) = _LENGTH.unpack_from(data)
            if length == len(data) - _LENGTH.size:  # nearly always: no need to hold it
                return (marshal.loads(memoryview(data)[_LENGTH.size :]),)  # noqa: S302 (from our own process)
        return self._complete(data)

    def _complete(self, data: bytes) -> Iterator[Any]:
        held = self._held
        held += data
        start = 0
        while len(held) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(held, start)
            end = start + _LENGTH.size + length
            if len(held) < end:
                break
            with memoryview(held) as view:
                value = marshal.loads(view[start + _LENGTH.size : end])  # noqa: S302 (from our own process)
            start = end
            yield value
        del held[:start]


def frame(value: tuple[Any, ...]) -> bytes:
    """Return a frame of plain values."""
    content = marshal.dumps(tuple(value))  # a named tuple cannot travel
    return _LENGTH.pack(len(content)) + content


class Codec(NamedTuple):
    """How what is asked of one work, and its answers, become bytes and are read again."""

    ask: Callable[[Any], bytes]
    hear: Callable[[bytes], Any]
    answer: Callable[[Any], bytes]
    read: Callable[[bytes, Any], Any]
    """Takes what was asked besides."""


def marshalled(value: Any) -> bytes:
    """Return plain values as bytes."""
    return marshal.dumps(value)


def unmarshalled(content: bytes) -> Any:
    """Return the values."""
    return marshal.loads(content)  # noqa: S302 (from our own process)


def _unchangeable(values: dict[Any, Any]) -> "MappingProxyType[Any, Any]":
    return MappingProxyType(values)  # whose own class has no name to be found under


def _copy_of(mapping: "MappingProxyType[Any, Any]") -> tuple[Any, ...]:
    return _unchangeable, (dict(mapping),)


copyreg.pickle(MappingProxyType, _copy_of)  # our values hold mappings that nobody may change


def pickled(value: Any) -> bytes:
    """Return any value of ours as bytes."""
    return pickle.dumps(value, pickle.HIGHEST_PROTOCOL)


def unpickled(content: bytes) -> Any:
    """Return the value."""
    return pickle.loads(content)  # noqa: S301 (from our own process)


def told(error: BaseException) -> bytes:
    """Return an error as bytes, with the story of where it was raised; no value of any variable is in it."""
    error.add_note("".join(traceback.format_tb(error.__traceback__)))
    try:
        return pickled((type(error), error.args, error.__dict__))
    except Exception:  # noqa: BLE001 (an error with something in it that cannot travel)
        return pickled((RuntimeError, (f"{type(error).__name__} while writing",), {"__notes__": error.__notes__}))


def heard(content: bytes) -> BaseException:
    """Return the error."""
    kind, args, state = unpickled(content)
    error: BaseException = kind.__new__(kind, *args)
    error.__dict__.update(state)
    return error
