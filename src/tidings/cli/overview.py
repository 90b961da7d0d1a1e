"""What each command is for, read from its source: to import all of them takes a second or two."""

import ast
import importlib.util
from typing import NamedTuple


class Summary(NamedTuple):
    """What the overview says of a command."""

    text: str
    is_group: bool


def summary_of(module: str, attribute: str) -> Summary | None:
    """Return what a module says of its command: a function's docstring, or the help of a group; None: cannot tell."""
    spec = importlib.util.find_spec(module)
    source = getattr(spec.loader, "get_source", None) if spec else None
    text = source(module) if source else None
    for statement in ast.parse(text or "").body:
        match statement:
            case ast.FunctionDef(name=name) if name == attribute:
                docstring = ast.get_docstring(statement)
                return Summary(docstring, is_group=False) if docstring else None
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(keywords=keywords)) if name == attribute:
                for each in keywords:
                    if each.arg == "help" and isinstance(each.value, ast.Constant):
                        return Summary(str(each.value.value), is_group=True)
            case _:
                pass
    return None
