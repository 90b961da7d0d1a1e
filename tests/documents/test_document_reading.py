"""What a YAML file says, and what is wrong with one that says nothing."""

# ruff: noqa: E501, ISC004 (a golden message is easier to find in one piece)

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt, StrictStr
from pydantic_core import PydanticCustomError

from tidings.documents import MAX_ALIASED, MAX_BYTES, Document, did_you_mean, nearest, read, validate
from tidings.model import Problem, Source


def attempt(data: str | bytes) -> tuple[Document | None, list[str]]:
    """Read a file; return it and its problems with their hints."""
    problems: list[Problem] = []
    raw = data.encode() if isinstance(data, str) else data
    found = read(Source(path="a.yaml", data=raw), problems.append)
    return found, [f"{each} ({each.hint})" if each.hint else str(each) for each in problems]


def value(text: str) -> Any:
    found, problems = attempt(text)
    assert found is not None
    assert problems == []
    return found.value()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", None),
        ("# nothing\n", None),
        ("---\na: 1\n...\n", {"a": 1}),
        ("[on, off, yes, no, y, N]", ["on", "off", "yes", "no", "y", "N"]),
        (
            "[21:00, 1:30:00, 2026-01-31, 2026-01-31T00:00:00Z]",
            ["21:00", "1:30:00", "2026-01-31", "2026-01-31T00:00:00Z"],
        ),
        ("[true, False, null, ~, 'true']", [True, False, None, None, "true"]),
        ("[1, -2, +3, 007, 0o17, 0x1F, 1_000, 9007199254740993]", [1, -2, 3, 7, 15, 31, "1_000", 9007199254740993]),
        ("[1.5, .5, 2., 1e3, -1.5E-2, 1e999, .inf, .nan]", [1.5, 0.5, 2.0, 1000.0, -0.015, "1e999", ".inf", ".nan"]),
        ("['1', \"2\", =, '<<']", ["1", "2", "=", "<<"]),
        ("{on: 1, 2: two, true: x, ~: y}", {"on": 1, "2": "two", "true": "x", "~": "y"}),
        ("a: &x [1, {b: 2}]\nc: *x\n", {"a": [1, {"b": 2}], "c": [1, {"b": 2}]}),
        ("a: >\n  one\n  two\n", {"a": "one two\n"}),
    ],
)
def test_scalars_are_read_by_the_core_schema_and_keys_are_text(text: str, expected: object) -> None:
    assert value(text) == expected
    assert repr(value(text)) == repr(expected)


def test_a_number_of_a_thousand_digits_is_text() -> None:
    assert value("a: " + "9" * 5000) == {"a": "9" * 5000}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        pytest.param(
            "a: 1\nb: 2\n a: 3\n",
            "a.yaml:3:3: error[yaml-syntax]: a ':' makes a key, and no key is allowed here (put quotes round a text that begins with a "
            "special character or holds ': ' or ' #', or mend the indentation)",
            id="indentation",
        ),
        pytest.param(
            "a: b: c\n",
            "a.yaml:1:5: error[yaml-syntax]: a ':' makes a key, and no key is allowed here (put quotes round a text that begins with a "
            "special character or holds ': ' or ' #', or mend the indentation)",
            id="colon in a text",
        ),
        pytest.param(
            "a: `1`\n",
            "a.yaml:1:4: error[yaml-syntax]: a value cannot begin with '`' (put quotes round a text that begins with a "
            "special character or holds ': ' or ' #')",
            id="backtick",
        ),
        pytest.param(
            "a: 'it's'\n",
            "a.yaml:1:8: error[yaml-syntax]: a key was expected here (mend the indentation; inside '…' write '' for a "
            "single quote)",
            id="quote in quotes",
        ),
        pytest.param(
            'a: "x\nb: 1\n',
            "a.yaml:1:4: error[yaml-syntax]: the quoted text that begins here is never closed (close it, or put quotes "
            "round a text that holds brackets or commas)",
            id="open quote",
        ),
        pytest.param(
            "a: [1, 2\nb: 3\n",
            "a.yaml:1:4: error[yaml-syntax]: the [ that opens here is not closed before something else comes (close it, "
            "or put quotes round a text that holds brackets or commas)",
            id="open bracket",
        ),
        pytest.param(
            'a: "\\q"\n',
            r"a.yaml:1:5: error[yaml-syntax]: no such escape in a double-quoted text (write \\ for a backslash, or use "
            "single quotes)",
            id="escape",
        ),
        pytest.param(
            "a:\n\tb: 1\n",
            "a.yaml:2:1: error[yaml-tab]: a tab stands where YAML allows only blanks (indent with blanks)",
            id="tab",
        ),
        pytest.param("a: *b\n", "a.yaml:1:4: error[yaml-syntax]: the alias *b has no anchor before it", id="alias"),
        pytest.param(
            "a: &a [*a]\n", "a.yaml:1:8: error[alias-cycle]: the alias *a stands inside what it names", id="cycle"
        ),
        pytest.param(
            "a: 1\n---\nb: 2\n",
            "a.yaml:2:1: error[several-documents]: the file holds a second document (keep one document a file)",
            id="second document",
        ),
        pytest.param(
            "a: \xe9\n".encode("latin-1"),
            "a.yaml:1:4: error[not-utf-8]: the byte 0xe9 is not UTF-8 (save the file as UTF-8)",
            id="latin-1",
        ),
        pytest.param(
            "a: b\n \x00\n",
            "a.yaml:2:2: error[control-character]: the character U+0000 is not allowed (remove it, or write it as an "
            'escape in "…")',
            id="nul",
        ),
        pytest.param(
            b" " * (MAX_BYTES + 1),
            "a.yaml:1:1: error[file-too-large]: the file has 1000001 bytes, 1000000 are allowed (split the file)",
            id="too large",
        ),
        *(
            pytest.param(
                start * 200_000,
                f"a.yaml:1:{50 * len(start) + 1}: error[nesting-too-deep]: lists and mappings nest deeper than 50 levels",
                id=f"deep {start}",
            )
            for start in ("[", "- ", "{a: ")
        ),
        pytest.param(
            "a: &a [x]\n"
            + "".join(f"{b}: &{b} [*{a},*{a},*{a},*{a}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)),
            f"a.yaml:8:17: error[alias-bomb]: the aliases of the file stand for more than {MAX_ALIASED} values (write "
            "the values out, or use fewer aliases)",
            id="alias bomb",
        ),
        pytest.param(
            "a: &a " + "[" * 30 + "]" * 30 + "\nb: " + "[" * 30 + "*a" + "]" * 30,
            "a.yaml:2:34: error[nesting-too-deep]: lists and mappings nest deeper than 50 levels",
            id="deep by an alias",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_finding_at_its_place(data: str | bytes, problem: str) -> None:
    assert attempt(data) == (None, [problem])


def test_what_can_be_read_past_is_all_reported_at_once() -> None:
    found, problems = attempt("a: 1\nb: !!python/name:os.system x\n'a': 2\n[c]: 3\nd: {<<: {e: 1}, f: 2, f: 3}\nb: 4\n")
    assert problems == [
        "a.yaml:2:4: error[yaml-tag]: tags such as !!python/name:os.system are not supported (leave it out; "
        "put quotes round a value that must be text)",
        "a.yaml:3:1: error[duplicate-key]: the key 'a' is here a second time; the first is at 1:1 (remove one of the two)",
        "a.yaml:4:1: error[key-not-text]: a key must be a text, not a list or mapping (put quotes round it)",
        "a.yaml:5:5: error[merge-key]: merge keys (<<) are not supported (write the keys out)",
        "a.yaml:5:23: error[duplicate-key]: the key 'f' is here a second time; the first is at 5:17 (remove one of the two)",
        "a.yaml:6:1: error[duplicate-key]: the key 'b' is here a second time; the first is at 2:1 (remove one of the two)",
    ]
    assert found is not None
    assert found.value() == {"a": 1, "b": "x", "d": {"f": 2}}


def _positive(number: object) -> object:
    if isinstance(number, int) and number < 1:
        raise PydanticCustomError("not-positive", "must be positive", {"hint": "try 1"})
    return number


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    name: StrictStr
    mode: Literal["live", "off"] = "live"
    count: Annotated[StrictInt, BeforeValidator(_positive)] = 1


class Outer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    version: Literal[1]
    items: tuple[Inner, ...] = Field(default=(), max_length=6)


def check(text: str) -> tuple[Outer | None, list[str]]:
    problems: list[Problem] = []
    found = read(Source(path="a.yaml", data=text.encode()), problems.append)
    assert found is not None
    shape = validate(found, Outer, problems.append)
    return shape, [f"{each} ({each.hint})" if each.hint else str(each) for each in problems]


def test_a_document_of_the_shape_is_that_shape() -> None:
    assert check("{version: 1, items: [{name: a}]}") == (Outer(version=1, items=(Inner(name="a"),)), [])


def test_everything_that_does_not_fit_is_reported_at_its_place() -> None:
    assert check(
        """\
version: 2
itmes: []
items:
  - name: 7
    mdoe: live
  - nam: x
    mode: of
  - [name]
  -
  - {name: x, count: 0}
  - {name: [], count: many, whatever: 1}
"""
    ) == (
        None,
        [
            "a.yaml:1:10: error[invalid-value]: this must be 1",
            "a.yaml:4:11: error[wrong-type]: this must be a text, not a number (put quotes round it)",
            "a.yaml:5:5: error[unknown-key]: unknown key 'mdoe' (did you mean 'mode'?)",
            "a.yaml:6:5: error[missing-key]: the key 'name' is missing (is it the one written 'nam'?)",
            "a.yaml:7:11: error[invalid-value]: this must be 'live' or 'off' (did you mean 'off'?)",
            "a.yaml:6:5: error[unknown-key]: unknown key 'nam' (did you mean 'name'?)",
            "a.yaml:8:5: error[wrong-type]: this must be a mapping, not a list",
            "a.yaml:9:4: error[wrong-type]: this must be a mapping, not empty",
            "a.yaml:10:22: error[not-positive]: must be positive (try 1)",
            "a.yaml:11:12: error[wrong-type]: this must be a text, not a list",
            "a.yaml:11:23: error[wrong-type]: this must be a whole number, not a text",
            "a.yaml:11:29: error[unknown-key]: unknown key 'whatever' (the keys here are count, mode, name)",
            "a.yaml:2:1: error[unknown-key]: unknown key 'itmes' (did you mean 'items'?)",
        ],
    )


def test_an_empty_file_is_not_a_mapping() -> None:
    assert check("# nothing yet\n") == (None, ["a.yaml:1:1: error[wrong-type]: this must be a mapping, not empty"])


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("pointsExpiryRemindr", "pointsExpiryReminder"),
        ("POINTSISSUED", "pointsIssued"),
        ("tierUpgrade", "tierUpgraded"),
        ("badgeEarned", None),
        ("x" * 1000, None),
        ("", None),
    ],
)
def test_did_you_mean_names_the_nearest_or_nothing(name: str, found: str | None) -> None:
    names = ["tierUpgraded", "pointsIssued", "pointsExpiryReminder", "tierDowngradeReminder"]
    assert (nearest(name, names), did_you_mean(name, names)) == (found, f"did you mean {found!r}?" if found else "")
