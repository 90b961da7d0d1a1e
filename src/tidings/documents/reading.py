"""Reading a YAML file into a document, or into problems; never into an exception."""

import re
from collections.abc import Callable
from typing import Any, Final

import yaml

from tidings.documents.composing import MAX_ALIASED, MAX_DEPTH, Composer, Unreadable
from tidings.documents.document import Document, ScalarNode, Text
from tidings.model import Problem, Source

__all__ = ["MAX_ALIASED", "MAX_BYTES", "MAX_DEPTH", "Report", "read"]

MAX_BYTES: Final = 1_000_000
"""How long a file may be."""

Report = Callable[[Problem], None]
"""Takes each problem as it is found."""

_UNPRINTABLE: Final = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")

_QUOTE_IT: Final = "put quotes round a text that begins with a special character or holds ': ' or ' #'"
_SYNTAX: Final = {
    "mapping values are not allowed in this context": (
        "a ':' makes a key, and no key is allowed here",
        _QUOTE_IT + ", or mend the indentation",
    ),
    "did not find expected key": (
        "a key was expected here",
        "mend the indentation; inside '…' write '' for a single quote",
    ),
    "did not find expected '-' indicator": ("another '- ' item was expected here", "mend the indentation"),
    "did not find expected node content": ("a value was expected here", "close every [ and {, or put quotes round"),
    "found unknown escape character": (
        "no such escape in a double-quoted text",
        r"write \\ for a backslash, or use single quotes",
    ),
    "could not find expected ':'": ("a ':' was expected after the key", "write key: value, with a blank after ':'"),
}
_UNCLOSED: Final = {
    "found unexpected end of stream": "the quoted text that begins here is never closed",
    "did not find expected ',' or ']'": "the [ that opens here is not closed before something else comes",
    "did not find expected ',' or '}'": "the { that opens here is not closed before something else comes",
}


def read(source: Source, report: Report) -> Document | None:
    """Return the document, or None when nothing can be made of the file; report all that is wrong with it."""
    text = _decode(source, report)
    if text is None:
        return None
    try:
        loader = yaml.CSafeLoader(text.text)
        try:
            root = Composer(text, report).compose(loader)
        finally:
            loader.dispose()
    except Unreadable:
        return None
    except yaml.MarkedYAMLError as error:
        report(_syntax_problem(text, error))
        return None
    except yaml.YAMLError as error:
        report(Problem(file=source.path, line=1, column=1, code="yaml-syntax", message=f"this is not YAML: {error}"))
        return None
    return Document(source=source, text=text, root=root or ScalarNode(None, 0, 0, "", ""))


def _decode(source: Source, report: Report) -> Text | None:
    """Return the text of a file that is of a bearable size, UTF-8, and free of control characters."""

    def refuse(place: tuple[int, int], code: str, message: str, hint: str) -> None:
        report(Problem(file=source.path, line=place[0], column=place[1], code=code, message=message, hint=hint))

    size = len(source.data)
    if size > MAX_BYTES:
        refuse((1, 1), "file-too-large", f"the file has {size} bytes, {MAX_BYTES} are allowed", "split the file")
        return None
    try:
        text = Text(source.path, source.data.decode("utf-8").removeprefix("\ufeff"))
    except UnicodeDecodeError as error:
        before = Text(source.path, source.data[: error.start].decode("utf-8").removeprefix("\ufeff"))
        place = before.place(len(before.text))
        byte = source.data[error.start]
        refuse(place, "not-utf-8", f"the byte {byte:#04x} is not UTF-8", "save the file as UTF-8")
        return None
    if bad := _UNPRINTABLE.search(text.text):
        message = f"the character U+{ord(bad[0]):04X} is not allowed"
        refuse(text.place(bad.start()), "control-character", message, 'remove it, or write it as an escape in "…"')
        return None
    return text


def _syntax_problem(text: Text, error: yaml.MarkedYAMLError) -> Problem:
    phrase = str(error.problem or "this is not YAML")
    index = _index(error.problem_mark, error.context_mark)
    code = "yaml-syntax"
    message, hint = _SYNTAX.get(phrase, (f"{error.context}: {phrase}" if error.context else phrase, ""))
    character = text.text[index : index + 1]
    if phrase in _UNCLOSED:
        message, hint = _UNCLOSED[phrase], "close it, or put quotes round a text that holds brackets or commas"
        index = _index(error.context_mark, error.problem_mark)
    elif character == "\t" or "tab character" in phrase:
        code, message, hint = "yaml-tab", "a tab stands where YAML allows only blanks", "indent with blanks"
    elif phrase == "found character that cannot start any token":
        message, hint = f"a value cannot begin with {character!r}", _QUOTE_IT
    line, column = text.place(min(index, len(text.text)))
    return Problem(file=text.path, line=line, column=column, code=code, message=message, hint=hint)


def _index(*marks: Any) -> int:
    """Return the position of the first mark there is."""
    return next((int(mark.index) for mark in marks if mark is not None), 0)
