"""A wrong configuration is explained in one readable message."""

from pathlib import Path

import pytest

from tidings.config import load_settings, read_secret
from tidings.errors import InvalidConfiguration
from tidings.model import SecretRef


def written(folder: Path, text: str) -> Path:
    file = folder / "tidings.yaml"
    file.write_text(text)
    return file


def test_every_key_has_a_default() -> None:
    settings = load_settings(None)
    assert (settings.store, settings.grpc.listen) == ("sqlite:///tidings.db", "127.0.0.1:50051")


def test_the_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDINGS_GRPC__LISTEN", "127.0.0.1:7")
    file = written(tmp_path, "store: 'sqlite:///other.db'\ngrpc: {listen: '127.0.0.1:8', max_message_bytes: 5000}\n")
    settings = load_settings(file)
    assert (settings.store, settings.grpc.listen, settings.grpc.max_message_bytes) == (
        "sqlite:///other.db",
        "127.0.0.1:7",
        5000,
    )


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    file = written(tmp_path, "ruls: ./rules\ndispatch: {concurrency: 0, lease: soon}\n")
    with pytest.raises(InvalidConfiguration) as caught:
        load_settings(file)
    message = str(caught.value)
    assert "ruls: there is no such setting" in message
    assert "dispatch.concurrency: Input should be greater than or equal to 1" in message
    assert "dispatch.lease" in message
    assert str(file) in message


@pytest.mark.parametrize("text", ["- a\n", "a: [\n"], ids=["a list", "broken YAML"])
def test_a_file_that_holds_no_settings_is_named(tmp_path: Path, text: str) -> None:
    with pytest.raises(InvalidConfiguration, match=r"tidings\.yaml"):
        load_settings(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"absent\.yaml cannot be read"):
        load_settings(tmp_path / "absent.yaml")


def test_secrets_come_from_the_environment_and_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A_SECRET", "one")
    (tmp_path / "secret").write_text("two\n")
    references = ("env:A_SECRET", f"file:{tmp_path}/secret", "env:NO_SUCH_SECRET", f"file:{tmp_path}/none")
    assert [read_secret(SecretRef.parse(each)) for each in references] == ["one", "two", None, None]


def test_a_lease_shorter_than_a_send_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"dispatch\.lease \(30s\) must be longer"):
        load_settings(written(tmp_path, "dispatch: {lease: 30s}\n"))


def test_a_password_in_a_wrong_place_is_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        load_settings(written(tmp_path, "email: {transport: 'smtp://user:hunter2@mail.example.com'}\n"))
    assert "email.transport" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http: {public_url: 'http://a.example'}", "http.public_url: it is https://HOST"),
        ("http: {public_url: 'https://user:pw@a.example'}", "http.public_url: it is https://HOST"),
        ("http: {public_url: 'https://a.example/?x=1'}", "http.public_url: it is https://HOST"),
        ("http: {public_url: 'https:///path'}", "http.public_url: "),
        (f"http: {{public_url: 'https://{'a' * 200}'}}", "http.public_url: it must have at most 200 characters"),
        ("http: {public_url: 'https://a.example'}", "unsubscribe.secret: links to https://a.example in e-mails need"),
        ("unsubscribe: {secret: hunter2hunter2}", "unsubscribe.secret: a secret is a reference"),
        ("unsubscribe: {secret: ['env:A', hunter2hunter2]}", "unsubscribe.secret: a secret is a reference"),
        ("http: {proxies: [somewhere]}", "http.proxies: 'somewhere' does not appear to be"),
    ],
)
def test_links_that_would_not_work_are_refused(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InvalidConfiguration) as caught:
        load_settings(written(tmp_path, text + "\n"))
    assert said in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_links_need_an_address_and_a_secret(tmp_path: Path) -> None:
    file = written(
        tmp_path, "http: {public_url: 'https://a.example/mail/'}\nunsubscribe: {secret: ['env:B', 'env:A']}\n"
    )
    settings = load_settings(file)
    assert settings.http.public_url == "https://a.example/mail"
    assert [str(each) for each in settings.unsubscribe.secrets] == ["env:B", "env:A"]
