"""What many e-mails share is found once, and makes the same messages."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from rulebook_kit import shipped_rulebook
from tidings.events import convert_one, event_name, sample, samples
from tidings.events.v1.event_pb2 import Event, UnmodelledField
from tidings.links import sample_links
from tidings.model import Channel, Contact, Delivery, Email, Recipient, RecipientKind, Source, State
from tidings.rulebook import ComposeFailed, Rulebook, compose, load, plain_email
from tidings.rules import EmailAction

BRAND = """version: 1
brands:
  - {org: 1, name: Example Rewards, from: rewards@example.com, time_zone: Asia/Kolkata%s}
"""
RULES = """version: 1
rules:
  - id: rule
    event: [pointsExpiryReminder, pointsIssued]
    category: offers
    %s
    notify:
      - email: {to: customer, template: notice}
      - email: {to: desk@example.com, template: notice}
      - email: {to: customer, template: gone-by}
"""
NOTICE = """---
subject: "{{ eventName }} {{ orgId }}"
---
{% from "_partials/words.txt" import greeting with context %}
{% set data_of = data %}
{{ greeting(contact.name | default("you")) }} {{ brand.name }} {{ unsubscribe_url }}
{{ data_of.pointsScheduledForExpiry | default(0) | number }} {{ data["scheduledExpiryDate"] | default("never") }}
{% for tier in data.loyaltyProgramDetails.tiers %}{{ loop.index }} {{ tier.tierName }} {% endfor %}
{% for key in data.loyaltyProgramDetails | default({}) %}{{ key }} {% endfor %}
{% include "_partials/more.txt" %}
"""
WORDS = (
    "{% macro greeting(name) %}Dear {{ name }}, of {{ data.loyaltyProgramDetails.name | default('us') }}{% endmacro %}"
)
MORE = "{{ data.entityInformation.entityType | default('') }} {{ refId | default('no reference') }} {{ data | length }}"
OF_DIGESTS = '---\nsubject: "{{ events | length }} and {{ more }}"\n---\n{{ events[0].eventName }}\n'


def rulebook(timing: str = "retry: [5s, 1m]", *, brand: str = "") -> Rulebook:
    files = {
        "brands/all.yaml": BRAND % brand,
        "loyalty.yaml": RULES % timing,
        "templates/notice.en.txt": NOTICE,
        "templates/gone-by.en.txt": OF_DIGESTS,
        "templates/_partials/words.txt": WORDS,
        "templates/_partials/more.txt": MORE,
    }
    return load([Source(path=path, data=text.encode()) for path, text in files.items()])


def delivery(**changes: Any) -> Delivery:
    made = Delivery(
        id="dlv_0123", org_id=1, event_id="e", event_name="pointsExpiryReminder", rule_id="rule", action=0,
        revision="r", channel=Channel.EMAIL, recipient=Recipient(RecipientKind.CUSTOMER, "98662"),
        customer_id="98662", state=State.SENDING, reason="", created_at=1_700_000_000_123, due_at=0, expires_at=None,
        attempts=0,
    )  # fmt: skip
    return made._replace(**changes)


CONTACT = Contact(org_id=1, customer_id="98662", email="asha@example.com", name="Asha", locale="en-IN")
CONTACTS = [CONTACT, replace(CONTACT, name=None, locale=None, time_zone="Europe/Paris")]


def told(name: str) -> Iterator[Event]:
    """Yield the samples of an event, and one of them with a value that no message models."""
    for each in samples(name):
        yield convert_one(each).event
    strange = convert_one(sample(name)).event
    strange.unmodelled.append(UnmodelledField(path="/data/entityInformation/entityType", json='"a text"'))
    yield strange


@pytest.mark.parametrize("action", [0, 1])
@pytest.mark.parametrize("name", ["pointsExpiryReminder", "pointsIssued"])
def test_it_makes_the_same_messages_as_composing_each(name: str, action: int) -> None:
    book, wanted = rulebook(), delivery(event_name=name, action=action)
    if action == 1:
        wanted = wanted._replace(recipient=Recipient(RecipientKind.ADDRESS, "desk@example.com"))
    plain = plain_email(book, wanted)
    assert plain is not None
    assert (plain.rule.retry, plain.asks) == ((5_000, 60_000), action == 0)
    for event in told(name):
        for contact in CONTACTS:
            made = compose(book, wanted, event, contact, links=sample_links)
            assert isinstance(made, Email)
            assert plain.message(wanted, event, contact, made.recipient, links=sample_links) == made


def test_the_shipped_templates_make_the_same_messages_of_what_they_read() -> None:
    book, compared = shipped_rulebook(), set()
    for rule in book.rules.rules:
        for number, action in enumerate(rule.actions):
            for name in rule.events if isinstance(action, EmailAction) else ():
                event = convert_one(sample(name)).event
                wanted = delivery(org_id=51186, rule_id=rule.id, action=number, event_name=event_name(event))
                plain = plain_email(book, wanted)
                if plain is None:
                    continue
                try:
                    made = compose(book, wanted, event, CONTACT, links=sample_links)
                except ComposeFailed:
                    continue
                assert isinstance(made, Email)
                assert plain.message(wanted, event, CONTACT, made.recipient, links=sample_links) == made
                compared.add(rule.id)
    assert len(compared) > 10


@pytest.mark.parametrize("other", [{"rule_id": "gone"}, {"org_id": 2}, {"action": 9}], ids=str)
def test_what_cannot_be_composed_shares_nothing(other: dict[str, Any]) -> None:
    assert plain_email(rulebook(), delivery(**other)) is None


@pytest.mark.parametrize("timing", ["throttle: {limit: 1, per: 1h}", "digest: {window: 30m}", "send_at: '09:00'"])
def test_what_gates_are_asked_about_is_not_plain(timing: str) -> None:
    assert plain_email(rulebook(timing), delivery()) is None


@pytest.mark.parametrize(
    "brand", [", quiet_hours: {start: '21:00', end: '08:00'}", ", caps: [{limit: 2, per: 1d}]"], ids=str
)
def test_nor_is_what_a_brand_keeps_back(brand: str) -> None:
    assert plain_email(rulebook(brand=brand), delivery()) is None


def test_urgent_messages_pass_quiet_hours() -> None:
    quiet = ", quiet_hours: {start: '21:00', end: '08:00'}"
    assert plain_email(rulebook("urgent: true", brand=quiet), delivery()) is not None


def test_templates_that_tell_of_digests_are_given_all() -> None:
    assert plain_email(rulebook(), delivery(action=2)) is None
