"""The state table and the identifiers that make a repeat the same delivery."""

import re

import pytest

from tidings.model import ENDED, MOVES, Cause, Recipient, RecipientKind, State, delivery_id

CUSTOMER = Recipient(kind=RecipientKind.CUSTOMER, name="7")


def identify(**changes: object) -> str:
    parts: dict[str, object] = {"org_id": 1, "event_id": "e", "rule_id": "r", "action": 0, "recipient": CUSTOMER}
    return delivery_id(**(parts | changes))  # type: ignore[arg-type]


def test_the_same_intent_has_the_same_id() -> None:
    assert identify() == identify()


@pytest.mark.parametrize(
    "change",
    [
        {"org_id": 2},
        {"event_id": "f"},
        {"rule_id": "s"},
        {"action": 1},
        {"recipient": Recipient(kind=RecipientKind.ADDRESS, name="7")},
        {"event_id": "e1:r", "rule_id": ""},
    ],
    ids=str,
)
def test_another_intent_has_another_id(change: dict[str, object]) -> None:
    assert identify(**change) != identify()


def test_an_id_fits_a_signature_a_url_and_a_message_id() -> None:
    assert re.fullmatch(r"dlv_[0-9a-f]{32}", identify())


def test_only_by_hand_does_a_delivery_leave_its_end() -> None:
    assert {cause for (state, cause) in MOVES if state in ENDED} == {Cause.REQUEUED}


def test_every_state_can_be_reached_and_every_open_state_can_end() -> None:
    assert set(MOVES.values()) == set(State)
    assert {state for (state, _), after in MOVES.items() if after in ENDED} == set(State) - ENDED


@pytest.mark.parametrize("recipient", ["customer:7", "address:a@example.com", "endpoint:crm", "customer:a:b"])
def test_a_recipient_reads_back_as_written(recipient: str) -> None:
    assert str(Recipient.parse(recipient)) == recipient


@pytest.mark.parametrize("text", ["", "customer", "nobody:7"])
def test_a_recipient_of_no_kind_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"kind|nobody"):
        Recipient.parse(text)
