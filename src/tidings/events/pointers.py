"""JSON Pointers (RFC 6901): where a value stands in a document."""

from typing import Any, Final

_LONGEST_INDEX: Final = 9


def escape(token: str) -> str:
    """Return one key as it stands between two slashes of a pointer."""
    if "~" in token or "/" in token:
        return token.replace("~", "~0").replace("/", "~1")
    return token


def split(pointer: str) -> list[str]:
    """Return the keys and indices of a pointer, each as text."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def look_up(document: Any, pointer: str) -> Any:
    """Return the value a pointer leads to, or None when there is none."""
    found = document
    for token in split(pointer):
        found = step(found, token)
    return found


def step(value: Any, token: str) -> Any:
    """Return the member of an object or list that one token names, or None."""
    if isinstance(value, dict):
        return value.get(token)
    if isinstance(value, list) and _is_index(token, value):
        return value[int(token)]
    return None


def place(document: dict[str, Any], pointer: str, value: Any) -> bool:
    """Put a value where a pointer says, making the objects on the way that are not there.

    Return False, changing nothing, when the way leads through a scalar or past the end of a list.
    """
    tokens = split(pointer)
    if not tokens:
        return False
    node: Any = document
    for depth, token in enumerate(tokens[:-1], start=1):
        child = step(node, token)
        if child is None:
            return _put(node, token, _branch(tokens[depth:], value))
        node = child
    return _put(node, tokens[-1], value)


def _branch(tokens: list[str], value: Any) -> Any:
    for token in reversed(tokens):
        value = {token: value}
    return value


def _put(node: Any, token: str, value: Any) -> bool:
    if isinstance(node, dict):
        node[token] = value
        return True
    if isinstance(node, list) and _is_index(token, node):
        node[int(token)] = value
        return True
    return False


def _is_index(token: str, values: list[Any]) -> bool:
    """Say whether a token names an item: digits without a leading zero, within the list."""
    if not (token.isascii() and token.isdigit()) or len(token) > _LONGEST_INDEX:
        return False
    index = int(token)
    return str(index) == token and index < len(values)
