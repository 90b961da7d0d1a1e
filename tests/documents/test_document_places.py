"""The place of every character of a text, through every way YAML has of writing one."""

# ruff: noqa: FBT001, FBT003 (hypothesis draws the flags)

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from long_kit import at_length
from tidings.documents import Document, Place, Span, read
from tidings.model import Problem, Source


def document(text: str) -> Document:
    problems: list[Problem] = []
    found = read(Source(path="a.yaml", data=text.encode()), problems.append)
    assert problems == []
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "offset", "place"),
    [
        pytest.param("when: a > b\n", 2, Place(1, 9), id="plain"),
        pytest.param("when: &x  a > b\n", 0, Place(1, 11), id="plain after an anchor"),
        pytest.param("when: &x # note\n  a > b\n", 2, Place(2, 5), id="plain after an anchor and a comment"),
        pytest.param("when: a &&\n      b  \n\n  c\n", 5, Place(2, 7), id="plain over lines"),
        pytest.param("when: a &&\n      b  \n\n  c\n", 7, Place(4, 3), id="plain after an empty line"),
        pytest.param("when: 'it''s b'\n", 3, Place(1, 12), id="single-quoted past an escape"),
        pytest.param("when: 'a\n  b'\n", 2, Place(2, 3), id="single-quoted over lines"),
        pytest.param('when: "a\\"b\\u00e9c"\n', 4, Place(1, 18), id="double-quoted past escapes"),
        pytest.param('when: "a \\\n   \\ b"\n', 3, Place(2, 6), id="double-quoted past an escaped break"),
        pytest.param("when: |\n  a\n  b\n", 2, Place(3, 3), id="literal"),
        pytest.param("when: |\n  a\n  b\n", 4, Place(3, 4), id="literal, past the end"),
        pytest.param("when: |2-  # note\n    a\n   b\n", 0, Place(2, 3), id="literal with an indentation indicator"),
        pytest.param("when: >\n  a\n  b\n", 2, Place(3, 3), id="folded"),
        pytest.param("when: >-\n  a\n\n  b\n   c\n  d\n", 2, Place(4, 3), id="folded after an empty line"),
        pytest.param("when: >-\n  a\n\n  b\n   c\n  d\n", 5, Place(5, 4), id="folded with a more indented line"),
        pytest.param("\ufeffwhen: a\r\n", 0, Place(1, 7), id="after a byte order mark"),
        pytest.param("when:\r\n  |\r\n  x\r\n  yz\r\n", 3, Place(4, 4), id="literal with CRLF"),
        pytest.param("when: 😀 é x\n", 4, Place(1, 11), id="characters, not bytes"),
    ],
)
def test_a_character_has_its_own_place(text: str, offset: int, place: Place) -> None:
    assert document(text).place(("when",), offset=offset) == place


def test_a_value_begins_at_its_first_mark_and_a_key_at_its_own() -> None:
    found = document("version: 1\nrules:\n  - id: 'x'\n    notify: [{email: y}]\n")
    assert {
        path: (found.place(path), found.place(path, key=True))
        for path in [(), ("rules",), ("rules", 0), ("rules", 0, "id"), ("rules", 0, "notify", 0, "email")]
    } == {
        (): (Place(1, 1), Place(1, 1)),
        ("rules",): (Place(3, 3), Place(2, 1)),
        ("rules", 0): (Place(3, 5), Place(3, 3)),
        ("rules", 0, "id"): (Place(3, 9), Place(3, 5)),
        ("rules", 0, "notify", 0, "email"): (Place(4, 22), Place(4, 15)),
    }


def test_a_path_that_leads_nowhere_has_the_place_of_what_is_nearest() -> None:
    found = document("a:\n  b: [1]\n")
    assert [found.place(path) for path in [("z",), ("a", "x"), ("a", "b", 7), ("a", "b", 0, "c")]] == [
        Place(1, 1),
        Place(2, 3),
        Place(2, 6),
        Place(2, 7),
    ]


@pytest.mark.parametrize(
    ("text", "offset", "length", "span"),
    [
        ("a: one two\n", None, None, Span(1, 4, 7)),
        ("a: 'one two'\n", None, None, Span(1, 4, 9)),
        ("a: 'it''s'\n", 1, 3, Span(1, 6, 4)),
        ("a: one\n  two\n", 2, 4, Span(1, 6, 1)),
        ("a: one\n", 3, 1, Span(1, 7, 1)),
        ("a: one\n", 99, 99, Span(1, 7, 1)),
    ],
)
def test_a_span_covers_its_characters_as_written_within_one_line(
    text: str, offset: int | None, length: int | None, span: Span
) -> None:
    assert document(text).span(("a",), offset=offset, length=length) == span


_WORDS = st.text(st.sampled_from("ab'\"\\`:#é😀,[]{}&*!|>%@\t"), min_size=1, max_size=5)
_TEXTS = st.lists(st.one_of(_WORDS, st.sampled_from([" ", "  ", "\n", "\n\n", "\n  "])), max_size=12).map("".join)


def _characters_at_their_places(source: str) -> None:
    """Hold each character of the text under ``key`` against the source at its place."""
    found = document(source)
    decoded = found.value(("key",))
    lines = source.split("\n")
    for offset, character in enumerate(decoded):
        line, column = found.place(("key",), offset=offset)
        written = (lines[line - 1] + "\n")[column - 1]
        if written == "\\":
            continue  # an escape: the place of its backslash
        assert written == character or (character == " " and written == "\n"), (source, offset, character, written)


@settings(max_examples=at_length(100, 400), deadline=None)
@given(_TEXTS, st.sampled_from(["'", '"', "|", ">", None]), st.integers(10, 60))
def test_what_is_written_at_a_place_is_the_character_there(text: str, style: str | None, width: int) -> None:
    """PyYAML's own writer folds, escapes and indents in each style; every character is found again."""
    item = yaml.dump([text + "x"], default_style=style, width=width, allow_unicode=True).removeprefix("- ")
    _characters_at_their_places("key: " + item)


_LINES = st.lists(st.sampled_from(["", "  ", "a", "b c", " d", "'e", "\\f", "  g  h ", "\ti"]), min_size=1, max_size=7)


@settings(max_examples=at_length(100, 400), deadline=None)
@given(
    _LINES,
    st.sampled_from("|>"),
    st.sampled_from(["", "-", "+"]),
    st.booleans(),
    st.integers(1, 5),
    st.sampled_from(["\n", "\r\n"]),
)
@example(["  ", " d"], "|", "+", True, 2, "\n")
def test_blocks_of_any_indentation_and_chomping_are_mapped(
    lines: list[str],
    style: str,
    chomping: str,
    indicated: bool,
    indent: int,
    newline: str,
) -> None:
    body = ["x", *lines] if not indicated else [*lines, "x"]
    header = f"key: {style}{indent if indicated else ''}{chomping} # note"
    source = newline.join([header, *(" " * indent + line for line in body), "other: 1", ""])
    _characters_at_their_places(source.replace("\r\n", "\n"))
    _same_places(source)


def _same_places(source: str) -> None:
    """Hold the places in a file with CRLF against those with LF."""
    windows, unix = document(source), document(source.replace("\r\n", "\n"))
    offsets = range(len(unix.value(("key",))) + 1)
    assert [windows.place(("key",), offset=each) for each in offsets] == [
        unix.place(("key",), offset=each) for each in offsets
    ]


_FLOW = st.lists(
    st.sampled_from(["a", "b", " ", "\n ", "\n\n  ", "''", '\\"', "\\\n  ", "\\u00e9", "\\\\", "é", " \\\n \\ "]),
    max_size=10,
)


@settings(max_examples=at_length(100, 400), deadline=None)
@given(_FLOW)
def test_escapes_and_folds_of_double_quotes_are_mapped(parts: list[str]) -> None:
    _characters_at_their_places('key: "x' + "".join(parts) + 'x"\n')


@settings(max_examples=at_length(100, 300), deadline=None)
@given(
    st.lists(st.sampled_from(["a", "b", " ", "  \n ", "\n\n  ", "'", "''", "#", "\\", "é"]), max_size=10), st.booleans()
)
def test_folds_of_plain_and_single_quoted_texts_are_mapped(parts: list[str], quoted: bool) -> None:
    text = "".join(parts)
    if quoted:
        _characters_at_their_places("key: 'x" + text.replace("''", "'").replace("'", "''") + "x'\n")
    else:
        _characters_at_their_places("key: x" + text.replace("#", "").rstrip() + "\n")


def test_no_character_of_these_texts_falls_back_to_the_place_of_its_scalar() -> None:
    """The fall-back for a text that cannot be followed gives every character one place: here each has its own."""
    source = "key: >2+\n   one\n\n  two\n\n\nother: 1\n"
    found = document(source)
    places = [found.place(("key",), offset=offset) for offset in range(len(found.value(("key",))))]
    assert len(set(places)) == len(places)
