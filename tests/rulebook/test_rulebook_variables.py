"""A template may read only what its events have."""

import pytest

from tidings.model import Severity, Source
from tidings.rulebook import check

BRAND = b"version: 1\nbrands: [{org: 1, name: Example, from: rewards@example.com}]\n"
RULE = "  - {{id: {id}, event: {event}, notify: [{{email: {{to: customer, template: {template}}}}}]}}\n"


def problems(
    body: str, events: tuple[str, ...] = ("pointsExpiryReminder",), subject: str = "Hello"
) -> list[tuple[object, ...]]:
    rules = "".join(RULE.format(id=f"r{n}", event=event, template="mail") for n, event in enumerate(events))
    sources = [
        Source(path="brands/all.yaml", data=BRAND),
        Source(path="rules.yaml", data=f"version: 1\nrules:\n{rules}".encode()),
        Source(path="templates/mail.en.txt", data=f'---\nsubject: "{subject}"\n---\n{body}\n'.encode()),
    ]
    return [(each.line, each.column, each.code, each.severity, each.message, each.hint) for each in check(sources)]


@pytest.mark.parametrize(
    "body",
    [
        "{{ data.pointsScheduledForExpiry | number }}",
        "{{ data.loyaltyProgramDetails.name | default('us') }} {{ orgId }} {{ eventName }} {{ brand.name }}",
        "{% for tier in data.loyaltyProgramDetails.tiers %}{{ tier.tierName }}{% endfor %}",
        "{% set tier = data.loyaltyProgramDetails.tiers | lookup('tierNumber', 1) %}{{ tier.tierName }}",
        "{{ traceAttributes.anything | default('') }}",
    ],
)
def test_what_the_event_has_may_be_read(body: str) -> None:
    assert problems(body) == []


@pytest.mark.parametrize(
    ("body", "column", "path", "hint"),
    [
        ("{{ data.pointsScheduledForExpry | number }}", 4, "data.pointsScheduledForExpry", "pointsScheduledForExpiry"),
        ("Hi {{ data.loyaltyProgramDetails.nam }}", 7, "data.loyaltyProgramDetails.nam", "name"),
        (
            "{% for tier in data.loyaltyProgramDetails.tiers %}{{ tier.tierNam }}{% endfor %}",
            54,
            "data.loyaltyProgramDetails.tiers[].tierNam",
            "tierName",
        ),
    ],
)
def test_what_no_event_has_is_an_error_at_its_place(body: str, column: int, path: str, hint: str) -> None:
    message = f"pointsExpiryReminder has no field {path}"
    assert problems(body) == [(4, column, "unknown-field", Severity.ERROR, message, f"did you mean {hint!r}?")]


def test_the_subject_is_read_too() -> None:
    (found,) = problems("Hello", subject="{{ data.totalPointsIssued }} points")
    assert found[0] == 2
    assert found[4] == "pointsExpiryReminder has no field data.totalPointsIssued"


def test_what_only_some_events_have_is_a_warning_that_names_the_others() -> None:
    events = ("pointsExpiryReminder", "pointsIssued")
    (found,) = problems("{{ data.pointsScheduledForExpiry }}", events)
    assert found[3:] == (
        Severity.WARNING,
        "pointsIssued has no field data.pointsScheduledForExpiry",
        "give it a value for the others: {{ … | default(…) }}, or use a template of its own",
    )


def test_a_template_that_no_rule_uses_is_not_judged() -> None:
    assert problems("{{ data.nothing }}", events=()) == problems("Hello", events=())


def test_what_a_digest_gathers_may_be_read_and_is_held_against_its_events() -> None:
    listing = "{% for each in events %}{{ each.data.pointsScheduledForExpiry }}{% endfor %}{{ more | number }}"
    assert problems(listing) == []
    ((line, _, code, severity, message, hint),) = problems(listing.replace("Expiry", "Expry"))
    assert (line, code, severity) == (4, "unknown-field", Severity.ERROR)
    assert message == "pointsExpiryReminder has no field events[].data.pointsScheduledForExpry"
    assert hint == "did you mean 'pointsScheduledForExpiry'?"
    assert [each[2] for each in problems("{% for each in events %}{{ each.dta }}{% endfor %}")] == ["unknown-field"]
    assert [each[2] for each in problems("{{ event.eventId }}")] == ["unknown-variable"]
