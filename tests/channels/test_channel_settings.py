"""Settings and transports as people write them."""

import pytest
from pydantic import BaseModel, ValidationError

from tidings.channels import Duration, EmailSettings, WebhookSettings
from tidings.channels.transport import Capture, Relay, Tls, Transport, parse_transport
from tidings.model import SecretRef


class Timed(BaseModel):
    value: Duration


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("15s", 15.0),
        ("2m", 120.0),
        ("1.5h", 5400.0),
        ("1d", 86_400.0),
        ("500ms", 0.5),
        (" 3s ", 3.0),
        (7, 7.0),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_seconds(written: object, seconds: float) -> None:
    assert Timed.model_validate({"value": written}).value == seconds


@pytest.mark.parametrize(
    "written", ["15", "s", "", "-1s", "0s", 0, -1, "1e3s", "1 s s", None, True, float("inf"), "٣s"]
)
def test_what_is_no_duration_is_refused(written: object) -> None:
    with pytest.raises(ValidationError, match="a duration"):
        Timed.model_validate({"value": written})


@pytest.mark.parametrize(
    ("text", "transport"),
    [
        ("capture:", Capture()),
        ("capture:./outbox", Capture(directory="./outbox")),
        ("smtp://relay.example.com", Relay(host="relay.example.com", port=587, tls=Tls.STARTTLS)),
        ("smtp://relay.example.com?tls=implicit", Relay(host="relay.example.com", port=465, tls=Tls.IMPLICIT)),
        ("smtp://relay.example.com:25?tls=none", Relay(host="relay.example.com", port=25, tls=Tls.NONE)),
        ("smtp://[::1]:2525?tls=none", Relay(host="::1", port=2525, tls=Tls.NONE)),
        (
            "smtp://rewards%40example.com@relay.example.com:587?tls=starttls&password=env:RELAY&ca=/etc/ca.pem",
            Relay(
                host="relay.example.com",
                port=587,
                tls=Tls.STARTTLS,
                user="rewards@example.com",
                password=SecretRef("env", "RELAY"),
                ca="/etc/ca.pem",
            ),
        ),
        (
            "smtp://rewards@127.0.0.1:25?tls=none&password=file:/run/relay",
            Relay(host="127.0.0.1", port=25, tls=Tls.NONE, user="rewards", password=SecretRef("file", "/run/relay")),
        ),
    ],
)
def test_a_transport_is_read(text: str, transport: Transport) -> None:
    assert parse_transport(text) == transport


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "an e-mail transport reads"),
        ("smtps://relay.example.com", "an e-mail transport reads"),
        ("smtp://rewards:hunter2@relay.example.com", "holds a password; name it instead"),
        ("smtp://rewards:@relay.example.com", "holds a password; name it instead"),
        ("smtp://rewards@relay.example.com?password=hunter2", "a secret is a reference"),
        ("smtp://rewards@relay.example.com", "both a user and a password"),
        ("smtp://relay.example.com?password=env:RELAY", "both a user and a password"),
        ("smtp://rewards@relay.example.com?tls=none&password=env:RELAY", "gives the password away"),
        ("smtp://", "names no host"),
        ("smtp://relay\r\n.example.com", "control character"),
        ("smtp://relay_", "names no host"),
        ("smtp://relay.example.com:99999", "port is a number"),
        ("smtp://relay.example.com:x", "port is a number"),
        ("smtp://relay.example.com/inbox", "holds more than"),
        ("smtp://relay.example.com?tls=perhaps", "one of starttls, implicit, none"),
        ("smtp://relay.example.com?pool=3", "unknown parameters (pool)"),
        ("smtp://relay.example.com?tls=none&tls=implicit", "twice"),
        ("smtp://relay.example.com?tls", "parameters read"),
    ],
)
def test_a_transport_that_cannot_be_read_is_explained_without_its_password(text: str, message: str) -> None:
    with pytest.raises(ValidationError) as raised:
        EmailSettings(transport=text)
    assert message in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_unknown_settings_and_networks_with_host_bits_are_refused() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        EmailSettings.model_validate({"transprot": "capture:"})
    with pytest.raises(ValidationError, match="has host bits set"):
        WebhookSettings.model_validate({"allow_networks": ["10.0.0.1/8"]})


def test_every_setting_is_described() -> None:
    fields = {**EmailSettings.model_fields, **WebhookSettings.model_fields}
    assert [name for name, field in fields.items() if not field.description] == []
