"""Lists of relays, limits of domains and signing keys as people write them."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from tidings.channels import EmailSettings
from tidings.channels.settings import DkimKey, DomainLimits, RatePerSecond


class Paced(BaseModel):
    rate: RatePerSecond


@pytest.mark.parametrize(
    ("written", "per_second"), [("100/s", 100.0), ("30/m", 0.5), ("900/h", 0.25), (" 5/s ", 5.0), (2.5, 2.5), (7, 7.0)]
)
def test_a_rate_is_so_many_a_second(written: object, per_second: float) -> None:
    assert Paced.model_validate({"rate": written}).rate == per_second


@pytest.mark.parametrize("written", ["100", "0/s", "-1/s", "1/d", "1.5/s", "", 0, -1, None, True, float("inf")])
def test_what_is_no_rate_is_refused(written: object) -> None:
    with pytest.raises(ValidationError, match="a rate"):
        Paced.model_validate({"rate": written})


def test_relays_limits_and_keys_are_read() -> None:
    relays = ["smtp://one.example.com", "smtp://two.example.com"]
    settings = EmailSettings.model_validate(
        {
            "transport": relays,
            "domains": {
                "example.com": {"connections": 5, "rate": "100/s", "messages_per_connection": 20},
                "default": {"rate": None},
            },
            "dkim": {
                "example.com": {"selector": "s1", "key": "file:/run/dkim.pem"},
                "example.net": [{"selector": "a", "key": "env:A"}, {"selector": "b", "key": "env:B"}],
            },
        }
    )
    assert settings.transports == tuple(relays)
    assert settings.domains == {
        "example.com": DomainLimits(connections=5, rate=100.0, messages_per_connection=20),
        "default": DomainLimits(rate=None),
    }
    assert settings.dkim == {
        "example.com": DkimKey(selector="s1", key="file:/run/dkim.pem"),
        "example.net": (DkimKey(selector="a", key="env:A"), DkimKey(selector="b", key="env:B")),
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"transport": []}, "the list of transports is empty"),
        ({"transport": ["capture:"]}, "capture: stands alone"),
        ({"transport": ["smtp://one.example.com", "smtp://one.example.com?tls=starttls"]}, "names a relay twice"),
        ({"transport": ["smtp://one.example.com", "pigeon:"]}, "an e-mail transport reads"),
        ({"domains": {"Example.com": {}}}, "'Example.com' is no domain, in lower case"),
        ({"domains": {"*.example.com": {}}}, "is no domain"),
        ({"domains": {"example.com": {"connections": 0}}}, "greater than or equal to 1"),
        ({"domains": {"example.com": {"speed": 1}}}, "Extra inputs"),
        ({"dkim": {"example..com": {"selector": "s1", "key": "env:A"}}}, "is no domain"),
        ({"dkim": {"example.com": {"selector": "s 1", "key": "env:A"}}}, "should match pattern"),
        ({"dkim": {"example.com": {"selector": "s1", "key": "hunter2"}}}, "a secret is a reference"),
    ],
)
def test_what_cannot_be_used_is_explained(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        EmailSettings.model_validate(values)
    assert message in str(raised.value)
    assert "hunter2" not in str(raised.value)


@pytest.mark.parametrize("model", [DomainLimits, DkimKey])
def test_every_setting_is_described(model: type[BaseModel]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []
