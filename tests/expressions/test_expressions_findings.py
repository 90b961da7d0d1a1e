"""Golden: what is said of each slip, under which characters."""

from typing import Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from expressions_kit import PATIENT, events, typed_expressions, written
from tidings.events.catalog import catalog
from tidings.events.v1.event_pb2 import Event
from tidings.events.view import native_view
from tidings.expressions import (
    EvaluationError,
    ExpressionSyntaxError,
    Role,
    analyse,
)
from tidings.expressions import compile as compile_expression
from tidings.model import Severity

EXPIRY: Final = Event.DESCRIPTOR.fields_by_name["points_expiry_reminder"]
ISSUED: Final = Event.DESCRIPTOR.fields_by_name["points_issued"]
GENERIC: Final = Event.DESCRIPTOR.fields_by_name["generic"]

SYNTAX: Final = """
data.points > 100
              ^^^ number-without-backticks: the number 100 lacks its backticks; write `100`
data.points > -1.5 && a
              ^^^^ number-without-backticks: the number -1.5 lacks its backticks; write `-1.5`
data.id = `5`
        ^ single-equals: = does not compare; write == to compare
data.id === `5`
          ^ single-equals: = does not compare; write == to compare
data.id => `5`
        ^^ single-equals: => is no operator; write >=
data.id <> `5`
         ^ unequal-sign: <> is no operator; write !=
a and b
  ^^^ word-operator: 'and' is no operator; write &&
(a OR b)
   ^^ word-operator: 'OR' is no operator; write ||
not a
    ^ word-operator: 'not' is no operator; write ! before what is negated
a > `1` & b
        ^ single-ampersand: & does not combine conditions; write &&
a == 'abc
     ^^^^ unclosed-text: this text has no closing quote; end it with '; write a quote inside it as \\'
"abc
^^^^ unclosed-name: this quoted name has no closing quote; end it with "; text is written as '...'
a > `1
    ^^ unclosed-literal: this literal has no closing backtick; end it with `
a == \u201cx\u201d
     ^ typographic-quote: \u201c is a typographic quote; write text as '...'
first-name
     ^ no-arithmetic: - is no operator; a name with a hyphen is written in double quotes, such as "first-name"
$.data
^ unknown-character: $ means nothing here; a path begins with a field, such as data.name
a.0
  ^ number-after-dot: an element is not read with a dot; write [0] without the dot
(a
  ^ incomplete-expression: the expression ends too early; ) is missing
a[1:2:3:4]
       ^ bad-slice: this slice cannot be read; write [start:stop] or [start:stop:step]
"length"(a)
^^^^^^^^ quoted-function: a function's name is not quoted; write length(...)
"\\q"
^^^^ bad-quoted-name: this quoted name is not valid: Invalid \\escape; inside double quotes, write JSON escapes such as \\" and \\n
a == b c
       ^ unexpected-token: did not expect 'c' here
""".strip("\n").split("\n")  # noqa: E501 - said in one line, as people see it

FINDINGS: Final = """
data.loyaltyProgramDetails.name == "gold"
                                   ^^^^^^ error double-quoted-text: double quotes name a field, and pointsExpiryReminder has no field 'gold'; write 'gold'
data.pointsScheduledForExpiry > "100"
                                ^^^^^ error double-quoted-text: double quotes name a field, and pointsExpiryReminder has no field '100'; write `100`
starts_with(data.loyaltyProgramDetails.name, "x")
                                             ^^^ error double-quoted-text: double quotes name a field, and pointsExpiryReminder has no field 'x'; write 'x'
data.loyaltyProgramDetails.name == gold
                                   ^^^^ error bare-word: gold names a field, and pointsExpiryReminder has none of that name; text is written in quotes: 'gold'
data.loyaltyProgramDetails.isDefault == true
                                        ^^^^ error bare-literal: true names a field here; write `true`
data.loyaltyProgramId == null
                         ^^^^ error bare-literal: null names a field here; write `null`
data.pointScheduledForExpiry > `100`
     ^^^^^^^^^^^^^^^^^^^^^^^ error unknown-field: pointsExpiryReminder has no field data.pointScheduledForExpiry; did you mean data.pointsScheduledForExpiry?
data.customerId == `1`
     ^^^^^^^^^^ error unknown-field: pointsExpiryReminder has no field data.customerId; did you mean data.customerIdentifiers.customerId?
data.zzz == `1`
     ^^^ error unknown-field: pointsExpiryReminder has no field data.zzz
dta.x == `1`
^^^ error unknown-field: pointsExpiryReminder has no field dta; did you mean data?
data.pointsScheduledForExpiry > '100'
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error text-against-number: text cannot be ordered against a number; write `100`
data.pointsScheduledForExpiry > `0100`
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error text-against-number: text cannot be ordered against a number; `0100` is text: numbers have no leading zeros; write `100`
data.scheduledExpiryDate > `100`
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error text-against-number: text cannot be ordered against a number; to_number(...) makes a number of text
orgId == '50750'
^^^^^^^^^^^^^^^^ error never-equal: a number never equals text; write `50750`
data.loyaltyProgramDetails.name == `5`
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error never-equal: text never equals a number; write '5'
data.loyaltyProgramDetails.isDefault == 'true'
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error never-equal: true or false never equals text; write `true`
data.loyaltyProgramDetails.name != `5`
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ warning always-unequal: text never equals a number, so this is always true
data.loyaltyProgramDetails.name == data.loyaltyProgramId
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ warning equal-only-when-absent: text equals a number only where both are absent
data.loyaltyProgramDetails > `1`
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error never-ordered: an object cannot be ordered, so this is always null; only numbers, and texts among each other, are ordered
data.loyaltyProgramDetails.tiers.tierName == 'x'
                                 ^^^^^^^^ error field-of-list: data.loyaltyProgramDetails.tiers is a list and has no field tierName; write data.loyaltyProgramDetails.tiers[*].tierName for all of them, or data.loyaltyProgramDetails.tiers[0].tierName
data.loyaltyProgramId.x == 'a'
                      ^ error field-of-scalar: data.loyaltyProgramId is a number and has no field x
!data.loyaltyProgramDetails.isDefault
      ^^^^^^^^^^^^^^^^^^^^^ error field-of-scalar: this is true or false and has no field loyaltyProgramDetails; ! binds tighter than a dot; write !(...)
orgId == `1` | orgId == `2`
               ^^^^^ error field-of-scalar: this is true or false and has no field orgId; | passes on what is left of it; write || for or
data.loyaltyProgramDetails[0] == 'x'
                          ^^^ error index-into-object: data.loyaltyProgramDetails is an object, not a list; read a field with a dot
data.loyaltyProgramId[0] == 'x'
                     ^^^ error index-into-scalar: data.loyaltyProgramId is a number, not a list
data.loyaltyProgramDetails.tiers.*.tierName == `[]`
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error values-of-no-object: .* reads the fields of an object, not of a list; write [*] for the elements of a list
data.loyaltyProgramDetails.tiers[::0] == `[]`
                                ^^^^^ error slice-step-zero: a slice cannot go in steps of 0
data.loyaltyProgramDetails.name
^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error condition-never-true: this gives text, so the condition is never true; compare it with something: == != < <= > >=
orgId > `1` && data.loyaltyProgramId
               ^^^^^^^^^^^^^^^^^^^^^ error condition-never-true: this gives a number, so the condition is never true; compare it with something: == != < <= > >=
eventId == 'a' || 'b'
                  ^^^ warning constant-condition: this alone is always the same; compare on both sides: a == 'x' || a == 'y'
lenght(data.loyaltyProgramDetails.tiers) > `1`
^^^^^^ error unknown-function: there is no function lenght(); did you mean length()?
frobnicate(data) > `1`
^^^^^^^^^^ error unknown-function: there is no function frobnicate()
length(eventId, `1`) > `1`
^^^^^^^^^^^^^^^^^^^^ error wrong-arity: length() takes 1 argument, not 2; length(a list or an object or text): how many characters, elements or fields
length(data.loyaltyProgramId) > `1`
       ^^^^^^^^^^^^^^^^^^^^^ error wrong-argument: length() takes a list or an object or text here, not a number
sum(data.customerIdentifiers.instore.cardNumbers) > `1`
    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ error wrong-argument: sum() takes a list of numbers here, not a list of text
abs(eventId) > `1`
    ^^^^^^^ error wrong-argument: abs() takes a number here, not text; to_number(...) makes a number of text
days_until('soon') < `3`
           ^^^^^^ error invalid-argument: days_until() cannot read 'soon' as a time; write epoch milliseconds, YYYY-MM-DD, YYYY-MM-DD HH:MM:SS, or ISO 8601 with a zone
matches(eventId, '(a+)+')
                 ^^^^^^^ error invalid-argument: the pattern repeats a group that itself repeats or chooses, which could run for ever; take the inner * + ? {} or | out of the repeated group
sort_by(data.loyaltyProgramDetails.tiers, &tierNam)[0].tierName == 'a'
                                           ^^^^^^^ error unknown-field: pointsExpiryReminder has no field data.loyaltyProgramDetails.tiers.tierNam; did you mean data.loyaltyProgramDetails.tiers.tierName?
data.loyaltyProgramDetails.tiers[?tierNumber > '1'] | length(@) > `0`
                                  ^^^^^^^^^^^^^^^^ error text-against-number: text cannot be ordered against a number; write `1`
""".strip("\n").split("\n")  # noqa: E501 - said in one line, as people see it

FINE: Final = [
    "data.pointsScheduledForExpiry > `100`",
    "`100` < data.pointsScheduledForExpiry && orgId == `5`",
    "data.scheduledExpiryDate > '2024-01-01'",
    "data.loyaltyProgramDetails == `null`",
    "!(data.loyaltyProgramDetails.isDefault)",
    "data.loyaltyProgramDetails.isDefault",
    "data.loyaltyProgramDetails.tiers[0].tierName == 'x'",
    "data.loyaltyProgramDetails.tiers[?tierName == 'a'] | length(@) > `0`",
    "length(data.loyaltyProgramDetails.tiers[?tierNumber > `1`]) > `1`",
    "max_by(data.loyaltyProgramDetails.tiers, &tierNumber).tierName == 'a'",
    "contains(data.customerIdentifiers.instore.cardNumbers, 'x')",
    'contains(`["a"]`, eventId)',
    "days_until(data.scheduledExpiryDate) < `3`",
    "to_number(eventId) > `3`",
    "traceAttributes.anything == 'x'",
    "lower(data.loyaltyProgramDetails.name) == 'gold'",
    "data.loyaltyProgramDetails.name == 'a' || orgId == `1`",
    "lookup(data.loyaltyProgramDetails.tiers, 'tierName', 'a').tierNumber > `1`",
    "data.customerIdentifiers.instore && `true`",
    "{a: data.pointsScheduledForExpiry}.a > `1`",
    "not_null(data.loyaltyProgramDetails.name, eventId) == 'x'",
    "data.loyaltyProgramDetails.tiers[*].tierNumber | max(@) > `1`",
]


def drawn(text: str, offset: int, length: int, said: str) -> list[str]:
    return [text, f"{' ' * offset}{'^' * max(length, 1)} {said}"]


def worded(message: str, hint: str) -> str:
    return f"{message}; {hint}" if hint else message


def pairs(lines: list[str]) -> list[list[str]]:
    return [lines[at : at + 2] for at in range(0, len(lines), 2)]


@pytest.mark.parametrize("golden", pairs(SYNTAX), ids=lambda golden: golden[0])
def test_a_slip_that_is_no_expression_is_told(golden: list[str]) -> None:
    with pytest.raises(ExpressionSyntaxError) as caught:
        compile_expression(golden[0])
    slip = caught.value
    assert drawn(golden[0], slip.offset, slip.length, f"{slip.code}: {worded(slip.message, slip.hint)}") == golden


@pytest.mark.parametrize("golden", pairs(FINDINGS), ids=lambda golden: golden[0])
def test_what_is_wrong_with_an_expression_is_told(golden: list[str]) -> None:
    (found,) = analyse(compile_expression(golden[0]), EXPIRY)
    said = f"{found.severity.value} {found.code}: {worded(found.message, found.hint)}"
    assert drawn(golden[0], found.offset, found.length, said) == golden


@pytest.mark.parametrize("text", FINE)
def test_a_good_condition_has_no_findings(text: str) -> None:
    assert analyse(compile_expression(text), EXPIRY) == ()


def test_a_value_expression_need_not_be_true() -> None:
    text = compile_expression("data.loyaltyProgramDetails.name || 'none'")
    assert [analyse(text, EXPIRY, role=role) != () for role in ("condition", "value")] == [True, False]


@pytest.mark.parametrize("text", ["data.anything.at[0].all > `1`", "dta == gold", "eventName"])
def test_of_a_generic_event_nothing_is_known(text: str) -> None:
    assert analyse(compile_expression(text), GENERIC) == ()


@pytest.mark.parametrize("role", ["condition", "value"])
def test_without_an_event_only_what_is_always_wrong_is_found(role: Role) -> None:
    text = compile_expression("lenght(data.x) > `1` && data.y.z == w")
    assert [each.code for each in analyse(text, [], role=role)] == ["unknown-function"]


def test_what_one_of_several_events_lacks_is_a_warning_that_names_it() -> None:
    (found,) = analyse(compile_expression("data.pointsScheduledForExpiry > `1`"), [EXPIRY, ISSUED])
    message = "pointsIssued has no field data.pointsScheduledForExpiry (on pointsIssued only)"
    assert (found.severity, found.message) == (Severity.WARNING, message)


def test_what_all_events_lack_stays_an_error() -> None:
    (found,) = analyse(compile_expression("data.zzz > `1`"), [EXPIRY, ISSUED])
    assert (found.severity, found.code) == (Severity.ERROR, "unknown-field")


@PATIENT
@given(data=st.data())
def test_a_condition_said_to_be_never_true_is_never_true(data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([event.field for event in catalog()]))
    event, text = data.draw(events(field)), data.draw(typed_expressions(field))
    assume(not event.unmodelled)
    expression = compile_expression(text)
    codes = {each.code for each in analyse(expression, field)}
    try:
        outcome = written(expression.search(native_view(event), now=0))
    except EvaluationError:
        outcome = "failed"
    assert not ("condition-never-true" in codes and outcome == "True"), text
