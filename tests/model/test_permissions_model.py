"""What consent and suppressions allow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidings.model import (
    LIFETIME_MS,
    ConsentPolicy,
    SuppressionReason,
    address_key,
    new_suppression,
    normalise_address,
)

OPT_IN, OPT_OUT = ConsentPolicy(), ConsentPolicy(usual="opt_out")
MIXED = ConsentPolicy(by_category={"reminders": "opt_out"})


@pytest.mark.parametrize(
    ("policy", "category", "consents", "allowed"),
    [
        (OPT_IN, "service", {}, True),
        (OPT_IN, "offers", {}, False),
        (OPT_IN, "offers", {"offers": True}, True),
        (OPT_IN, "offers", {"news": True}, False),
        (OPT_OUT, "offers", {}, True),
        (OPT_OUT, "offers", {"offers": False}, False),
        (MIXED, "reminders", {}, True),
        (MIXED, "reminders", {"reminders": False}, False),
        (MIXED, "offers", {}, False),
    ],
)
def test_a_category_needs_consent_by_the_brands_policy(
    policy: ConsentPolicy,
    category: str,
    consents: dict[str, bool],
    allowed: bool,  # noqa: FBT001 (a column of the table)
) -> None:
    assert policy.allows(category, consents) is allowed


def test_a_mailbox_that_is_not_there_gets_nothing_and_a_complainer_gets_service() -> None:
    stopping = {
        reason.value: [
            category
            for category in ("service", "offers")
            if new_suppression(1, "a@example.com", reason, now=0).stops(category)
        ]
        for reason in SuppressionReason
    }
    assert stopping == {
        "hard_bounce": ["service", "offers"],
        "complaint": ["offers"],
        "manual": ["service", "offers"],
        "unsubscribed": ["offers"],
    }


@pytest.mark.parametrize("reason", SuppressionReason)
def test_each_reason_lasts_as_long_as_its_table_says(reason: SuppressionReason) -> None:
    lasting = LIFETIME_MS[reason]
    assert new_suppression(1, "a@b.c", reason, now=5).expires_at == (None if lasting is None else 5 + lasting)
    assert new_suppression(1, "a@b.c", reason, now=5, lasting_ms=7).expires_at == 12


@pytest.mark.parametrize(
    ("address", "normal"),
    [
        (" Asha.Rao@EXAMPLE.Com\n", "Asha.Rao@example.com"),
        ("a@BÜCHER.example", "a@xn--bcher-kva.example"),
        ("a@" + "ü" * 200, "a@" + "ü" * 200),
        ("root", "root"),
    ],
)
def test_an_address_has_one_way_to_be_written(address: str, normal: str) -> None:
    assert normalise_address(address) == normal


@given(st.emails())
def test_all_ways_to_write_an_address_have_one_key(address: str) -> None:
    assert address_key(1, f" {address.upper()} ") == address_key(1, address.lower())
    assert address_key(2, address) != address_key(1, address)
