"""Strategies and oracles for the tests of expressions."""

import os
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import jmespath
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from jmespath import exceptions as reference_errors

from long_kit import at_length
from tidings import expressions
from tidings.events.v1.event_pb2 import Event
from tidings.expressions import trace

EXAMPLES: Final = int(os.environ.get("TIDINGS_EXAMPLES") or at_length(50, 150))
"""How many random cases a property is tried on; CI raises it."""
PATIENT: Final = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
"""Random expressions are slow to draw, and one search may take as long as it takes on a busy machine."""

NAMES: Final = ("a", "b", "c", "data", "x y")
ERRORS: Final[tuple[tuple[type[Exception], type[Exception]], ...]] = (
    (reference_errors.LexerError, expressions.BadToken),
    (reference_errors.IncompleteExpressionError, expressions.IncompleteExpression),
    (reference_errors.ArityError, expressions.InvalidArity),
    (reference_errors.EmptyExpressionError, expressions.EmptyExpression),
    (reference_errors.UnknownFunctionError, expressions.UnknownFunction),
    (reference_errors.JMESPathTypeError, expressions.InvalidType),
    (reference_errors.ParseError, expressions.ExpressionSyntaxError),
    (TypeError, expressions.InvalidType),
    (ValueError, expressions.InvalidValue),
    (OverflowError, expressions.InvalidValue),
)
"""Errors of the reference and ours for the same; the first that fits holds."""

EXPRESSION_REFERENCE: Final = "an expression reference"


@dataclass(frozen=True, slots=True)
class Failed:
    """An outcome without a value."""

    error: type[Exception]


@dataclass(frozen=True, slots=True)
class Gave:
    """An outcome with a value, as text that tells true from 1 and 1 from 1.0."""

    value: str


def reference_outcome(text: str, value: Any) -> Failed | Gave:
    """Say what the reference implementation makes of it, in terms of our errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            return Gave(written(jmespath.compile(text).search(value)))
    except tuple(theirs for theirs, _ in ERRORS) as error:
        return Failed(next(ours for theirs, ours in ERRORS if isinstance(error, theirs)))


def our_outcome(text: str, value: Any) -> Failed | Gave:
    """Say what we make of it."""
    try:
        return Gave(written(expressions.compile(text).search(value)))
    except expressions.ExpressionError as error:
        return Failed(type(error))


def traced_outcome(text: str, value: Any) -> Failed | Gave:
    """Say what the trace makes of it."""
    try:
        told = trace(expressions.compile(text), value)
    except expressions.ExpressionError as error:
        return Failed(type(error))
    return Failed(type(told.error)) if told.error else Gave(written(told.value))


def written(value: Any) -> str:
    """Write a result so that values equal in Python alone differ; expression references are all alike."""
    if isinstance(value, list):
        return f"[{', '.join(written(each) for each in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key!r}: {written(each)}' for key, each in value.items())}}}"
    if value is None or isinstance(value, str | int | float):
        return repr(value)
    return EXPRESSION_REFERENCE


SCALARS: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, -1, 2, 10, 0.0, 1.0, 1.5, 2**53 + 1, -(2**63)]),
    st.sampled_from(["", "a", "b", "gold", "10", "1.5", "01", "nan", "\u00e9"]),
)
DOCUMENTS: Final = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    ),
    max_leaves=20,
)
LITERALS: Final = st.sampled_from(
    ["`0`", "`1`", "`1.0`", "`-1.5`", "`10`", "`01`", "`true`", "`false`", "`null`", "`[]`", "`{}`", "`[1, true]`",
     '`"gold"`', "`gold`", "'gold'", "''", "'a'", "'10'", '`{"a": [1, 2]}`', '`["b", "a"]`', "'it\\'s'"],
)  # fmt: skip
FIELDS: Final = st.sampled_from(["a", "b", "c", "data", '"x y"', "@", "*", "missing"])
INDEXES: Final = st.sampled_from(
    ["[0]", "[-1]", "[1]", "[7]", "[*]", "[]", "[:2]", "[::-1]", "[1:]", "[-2:]", "[::2]", "[::0]"]
)
UNARY: Final = (
    "abs", "avg", "ceil", "floor", "keys", "values", "length", "max", "min", "sum", "sort", "reverse", "to_array",
    "to_number", "to_string", "type", "not_null", "merge",
)  # fmt: skip
BINARY: Final = ("contains", "starts_with", "ends_with", "join", "not_null", "merge", "lenght")
BY: Final = ("sort_by", "max_by", "min_by")


def _extend(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(["a", "b", "c", "data"])
    return st.one_of(
        st.builds("{}.{}".format, inner, st.one_of(names, st.just("*"))),
        st.builds("{}{}".format, inner, INDEXES),
        st.builds("{}[?{}]".format, inner, inner),
        st.builds("{}.[{}, {}]".format, inner, inner, inner),
        st.builds("{}.{{{}: {}, {}: {}}}".format, inner, names, inner, names, inner),
        st.builds("{} {} {}".format, inner, st.sampled_from(["==", "!=", "<", "<=", ">", ">="]), inner),
        st.builds("{} {} {}".format, inner, st.sampled_from(["&&", "||", "|", "&&", "||"]), inner),
        st.builds("({})".format, inner),
        st.builds("!{}".format, inner),
        st.builds("{}({})".format, st.sampled_from(UNARY), inner),
        st.builds("{}({}, {})".format, st.sampled_from(BINARY), inner, inner),
        st.builds("{}({}, &{})".format, st.sampled_from(BY), inner, inner),
        st.builds("map(&{}, {})".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
    )


EXPRESSIONS: Final = st.recursive(st.one_of(FIELDS, FIELDS, LITERALS), _extend, max_leaves=8)
TOKENS: Final = st.one_of(
    FIELDS, LITERALS, INDEXES,
    st.sampled_from(
        [".", "|", "||", "&&", "&", "==", "!=", "<", "<=", ">", ">=", "!", "(", ")", "[", "]", "[]", "[?", "{", "}",
         ",", ":", "length", "foo", "1", "-1", "-", "=", "'", '"', "`", "\\", "#", "and", " ", "\n", "''", "\u00e9",
         "a:", ")]"]
    ),
)  # fmt: skip
SOUPS: Final = st.lists(TOKENS, max_size=9).flatmap(
    lambda tokens: st.sampled_from(["", " "]).map(lambda glue: glue.join(tokens))
)
"""Token soup: mostly errors, and the leniencies of the reference."""


@cache
def messages(descriptor: Descriptor, *, depth: int = 4) -> st.SearchStrategy[Message]:
    """Return messages of that type with any of their fields, present, absent, and present with the default."""
    fields = [field for field in descriptor.fields if depth or field.message_type is None]
    values = {field.name: _field_values(field, depth - 1) for field in fields}
    return st.fixed_dictionaries({}, optional=values).map(lambda chosen: _message(descriptor, chosen))


def _message(descriptor: Descriptor, chosen: dict[str, Any]) -> Message:
    message = GetMessageClass(descriptor)()
    for name, value in chosen.items():
        field = descriptor.fields_by_name[name]
        if field.is_repeated and field.message_type is not None and field.message_type.GetOptions().map_entry:
            getattr(message, name).update(value)
        elif field.is_repeated:
            getattr(message, name).extend(value)
        elif field.message_type is not None:
            getattr(message, name).CopyFrom(value)
        else:
            setattr(message, name, value)
    return message


def _field_values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    inner = field.message_type
    if inner is None:
        single = _SCALARS_BY_TYPE[field.type]
    elif inner.GetOptions().map_entry:
        return st.dictionaries(st.sampled_from(["a", "b"]), _TEXTS, max_size=2)
    elif inner.full_name == "google.protobuf.Struct":
        return st.dictionaries(st.sampled_from(NAMES), SCALARS.filter(_fits_struct), max_size=2).map(_struct)
    else:
        single = messages(inner, depth=depth)
    return st.lists(single, max_size=3) if field.is_repeated else single


def _fits_struct(value: Any) -> bool:
    return not isinstance(value, int) or abs(value) <= 2**53


def _struct(fields: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(fields)
    return struct


_TEXTS: Final = st.sampled_from(["", "a", "gold", "10", "2024-05-01"])
_SCALARS_BY_TYPE: Final[dict[int, st.SearchStrategy[Any]]] = {
    FieldDescriptor.TYPE_STRING: _TEXTS,
    FieldDescriptor.TYPE_INT64: st.sampled_from([0, 1, -1, 10, 2**53 + 1, -(2**63)]),
    FieldDescriptor.TYPE_DOUBLE: st.sampled_from([0.0, 1.0, 1.5, 10.0, -0.5, 1e300]),
    FieldDescriptor.TYPE_BOOL: st.booleans(),
}
UNMODELLED: Final = st.sampled_from(
    ["/data/extra", "/data/customerIdentifiers/extra", "/data/customerIdentifiers", "/orgId", "/data/identifiers/0/key",
     "/data/triggeringActivity/identifiers/0/key", "/data/loyaltyProgramId", "/eventName", "/other"]
)  # fmt: skip


@cache
def events(field: FieldDescriptor) -> st.SearchStrategy[Event]:
    """Return events whose data is that member, now and then with unmodelled fields."""
    envelope = [each for each in Event.DESCRIPTOR.fields if each.containing_oneof is not field.containing_oneof]
    known = {each.name: _field_values(each, 1) for each in envelope if each.message_type is None and each.number < 15}
    known["trace_attributes"] = st.dictionaries(st.sampled_from(["a", "b"]), _TEXTS, max_size=2)
    pointers: st.SearchStrategy[list[str]] = st.one_of(st.just([]), st.just([]), st.lists(UNMODELLED, max_size=2))
    assert field.message_type is not None
    return st.builds(
        _event, st.fixed_dictionaries({}, optional=known), messages(field.message_type), pointers, st.just(field.name)
    )


def _event(envelope: dict[str, Any], data: Message, pointers: list[str], name: str) -> Event:
    event = Event()
    event.MergeFrom(_message(Event.DESCRIPTOR, envelope))  # type: ignore[arg-type]  # it is an Event
    getattr(event, name).CopyFrom(data)
    for pointer in pointers:
        event.unmodelled.add(path=pointer, json='"unmodelled"')
    return event


def vendor_paths(descriptor: Descriptor, *, depth: int = 4) -> list[str]:
    """Return paths to everything in a message, with a projection where a list is."""
    found: list[str] = []
    for field in descriptor.fields:
        step = f'"{field.json_name}"' if not field.json_name.isidentifier() else field.json_name
        inner = field.message_type
        found += [step] if not field.is_repeated else [step, f"{step}[0]", f"{step}[*]", f"{step}[-1]", f"{step}[]"]
        if inner is None or depth == 0 or inner.GetOptions().map_entry or inner.file.package != "tidings.events.v1":
            continue
        glue = ["[*].", "[0].", "[-1].", "[].", "[:1].", "[1].", "[?key=='a'].", "[?@.id > `0`]."]
        glue = glue if field.is_repeated else ["."]
        found += [
            f"{step}{each}{rest}"
            for rest in vendor_paths(inner, depth=depth - 1)
            for each in glue[: 3 if depth < 3 else 8]
        ]
    return found


def _typed(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    compare = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
    return st.one_of(
        st.builds("{} {} {}".format, inner, compare, LITERALS),
        st.builds("{} {} {}".format, inner, compare, inner),
        st.builds("({}) {} ({})".format, inner, st.sampled_from(["&&", "||", "&&", "||", "|"]), inner),
        st.builds("!({})".format, inner),
        st.builds("{} || {} == {}".format, inner, inner, LITERALS),
        st.builds("{}({})".format, st.sampled_from([*UNARY, "lower", "upper"]), inner),
        st.builds("{}({}, {})".format, st.sampled_from(BINARY), inner, LITERALS),
        st.builds("{{x: {}, y: {}}}".format, inner, inner),
        st.builds("[{}, {}]".format, inner, inner),
        st.builds("{} | [0]".format, inner),
        st.builds("({}).x".format, inner),
        st.builds("matches({}, {})".format, inner, st.sampled_from(["'^g'", "'(a+)+'"])),
        st.builds("lookup({}, 'key', {})".format, inner, LITERALS),
        st.builds("lookup({}, 'key', {}).value".format, inner, LITERALS),
    )


@cache
def typed_expressions(field: FieldDescriptor) -> st.SearchStrategy[str]:
    """Return expressions over the fields of one event."""
    assert field.message_type is not None
    paths = [f"data.{path}" for path in vendor_paths(field.message_type, depth=3)]
    others = ["data", "data.missing", "orgId", "eventName", "traceAttributes", "traceAttributes.a", "createdAt", "@"]
    leaves = st.one_of(st.sampled_from(paths), st.sampled_from(paths), st.sampled_from(others))
    return st.recursive(leaves, _typed, max_leaves=4)
