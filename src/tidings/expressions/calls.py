"""Checks the calls of functions against their signatures, and says what type they give."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC
from typing import Final

from tidings.expressions.errors import Fault
from tidings.expressions.findings import Finding
from tidings.expressions.moments import moment
from tidings.expressions.nearest import nearest
from tidings.expressions.nodes import Kind, Node
from tidings.expressions.patterns import compile_pattern
from tidings.expressions.signatures import SIGNATURES, Signature
from tidings.expressions.types import ANYTHING, BOOLEANS, NULL, UNKNOWN, Kinds, Type, of_kinds, union


def check_call(node: Node, types: Sequence[Type]) -> Iterator[Finding]:
    """Yield what is wrong with a call whose arguments have these types."""
    signature = SIGNATURES.get(node.value)
    if signature is None:
        yield _unknown(node)
    elif not signature.accepts(len(types)):
        yield _arity(node, signature)
    else:
        for number, (child, type_) in enumerate(zip(node.children, types, strict=True)):
            takes = signature.takes[min(number, len(signature.takes) - 1)]
            if not _fits(takes, type_):
                yield _wrong_type(node, child, takes, type_)
        yield from _bad_literals(node)


def _unknown(node: Node) -> Finding:
    meant = nearest(node.value, SIGNATURES)
    hint = f"did you mean {meant}()?" if meant else ""
    return Finding(
        code="unknown-function",
        offset=node.offset,
        length=len(node.value),
        message=f"there is no function {node.value}()",
        hint=hint,
    )


def _arity(node: Node, signature: Signature) -> Finding:
    takes = len(signature.takes)
    count = f"at least {takes}" if signature.variadic else str(takes)
    plural = "argument" if takes == 1 else "arguments"
    return Finding(
        code="wrong-arity",
        offset=node.offset,
        length=node.length,
        message=f"{node.value}() takes {count} {plural}, not {len(node.children)}",
        hint=f"{node.value}({', '.join(_words(types) for types in signature.takes)}): {signature.summary}",
    )


def _words(types: frozenset[str]) -> str:
    return " or ".join(sorted(TAKEN[each] for each in types)) or "anything"


def _fits(takes: frozenset[str], type_: Type) -> bool:
    """Say whether some value of the type is taken; an absent field is left to the event."""
    if not takes or not type_.present:
        return True
    return any(_fits_one(each, type_) for each in takes)


def _fits_one(taken: str, type_: Type) -> bool:
    outer, _, inner = taken.partition("-")
    kinds = BOOLEANS if outer == "boolean" else {outer}
    if not kinds & type_.present:
        return False
    return not inner or type_.element is None or not type_.element.present or inner in type_.element.kinds


def _wrong_type(node: Node, child: Node, takes: frozenset[str], type_: Type) -> Finding:
    listed = f" of {type_.element}" if type_.only({"array"}) and type_.element else ""
    return Finding(
        code="wrong-argument",
        offset=child.offset,
        length=child.length,
        message=f"{node.value}() takes {_words(takes)} here, not {type_}{listed}",
        hint="to_number(...) makes a number of text" if takes == {"number"} and type_.only({"string"}) else "",
    )


def _bad_literals(node: Node) -> Iterator[Finding]:
    """Try what a literal argument alone decides: a pattern, a date."""
    trials: Mapping[str, tuple[int, Callable[[str], object]]] = {
        "matches": (1, compile_pattern),
        "days_until": (0, lambda value: moment(node.value, value, UTC)),
        "hours_since": (0, lambda value: moment(node.value, value, UTC)),
    }
    at, attempt = trials.get(node.value, (0, str))
    literal = node.children[at] if at < len(node.children) else None
    if literal is None or literal.kind is not Kind.LITERAL or not isinstance(literal.value, str):
        return
    try:
        attempt(literal.value)
    except Fault as fault:
        yield Finding(
            code="invalid-argument",
            offset=literal.offset,
            length=literal.length,
            message=fault.message,
            hint=fault.hint,
        )


def _first(types: Sequence[Type]) -> Type:
    return replace(types[0], kinds=types[0].present)


def _element(types: Sequence[Type]) -> Type:
    return (types[0].element or UNKNOWN).or_null()


def _either(types: Sequence[Type]) -> Type:
    result = types[0]
    for each in types[1:]:
        result = union(result, each)
    return result


TAKEN: Final[Mapping[str, str]] = {
    "number": "a number", "string": "text", "array": "a list", "object": "an object", "null": "null",
    "array-number": "a list of numbers", "array-string": "a list of text", "expref": "an expression reference &...",
}  # fmt: skip
"""How the types of a signature are told to people."""

SPECIAL: Final[Mapping[str, Callable[[Sequence[Type]], Type]]] = {
    "lookup": _element,
    "max": _element,
    "min": _element,
    "max_by": _element,
    "min_by": _element,
    "sort": _first,
    "sort_by": _first,
    "reverse": _first,
    "not_null": _either,
    "map": lambda types: Type(kinds=frozenset({"array"}), element=types[0].element),
    "keys": lambda types: Type(kinds=frozenset({"array"}), element=of_kinds("string")) if types else UNKNOWN,
}
"""Functions whose result's type follows their arguments'."""


def result_type(name: str, types: Sequence[Type]) -> Type:
    """Return the type of a call with the right number of arguments."""
    if name in SPECIAL:
        return SPECIAL[name](types)
    gives = SIGNATURES[name].gives
    kinds: Kinds = frozenset().union(*(BOOLEANS if each == "boolean" else {each} for each in gives)) or ANYTHING
    nulls = NULL if "null" in gives and any("null" in each.kinds for each in types) else frozenset[str]()
    always = name in ("avg", "to_number", "type")
    return Type(kinds=kinds if always or "null" not in kinds else (kinds - NULL) | nulls)
