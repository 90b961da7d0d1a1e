"""Keys: made, kept as hashes, found again, ended, limited."""

import asyncio
import json
import stat
import subprocess
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway_kit import run_tidings
from tidings.access import InvalidKeyFile, Key, KeyFile, Keyring, Permission, new_key
from tidings.errors import Overloaded, PermissionDenied, Unauthenticated
from tidings.model import Rate

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
MADE = new_key()
KEY = Key(
    id=MADE.id,
    name="order service",
    digest=MADE.digest,
    orgs=frozenset({50750}),
    permissions=frozenset({Permission.PUBLISH}),
    created_at=NOW,
)


class Clock:
    def __init__(self) -> None:
        self.now = NOW.timestamp()

    def __call__(self) -> float:
        return self.now


def ring(*keys: Key, clock: Clock | None = None) -> Keyring:
    return Keyring({each.id: each for each in keys}, clock=clock or Clock())


def test_a_key_says_who_calls_and_what_they_may() -> None:
    caller = ring(KEY).identify(MADE.token)
    caller.require(Permission.PUBLISH)
    caller.require_orgs([50750])
    with pytest.raises(PermissionDenied, match="may not read"):
        caller.require(Permission.READ)
    with pytest.raises(PermissionDenied, match="organisation 1"):
        caller.require_orgs([50750, 1])
    with pytest.raises(PermissionDenied, match="some organisations only"):
        caller.require_every_org()


@pytest.mark.parametrize(
    "token",
    [None, "", "tdk_", MADE.token[:-1], f"{MADE.token}x", new_key().token, MADE.token.replace(MADE.id, "aaaaaaaa")],
    ids=["none", "empty", "beginning", "too short", "too long", "another's", "another id"],
)
def test_what_is_no_key_of_ours_is_nobody(token: str | None) -> None:
    with pytest.raises(Unauthenticated) as caught:
        ring(KEY).identify(token)
    assert not token or token not in str(caught.value)


def test_a_key_ends_and_can_be_taken_away() -> None:
    clock = Clock()
    keys = ring(replace(KEY, expires_at=NOW + timedelta(days=1)), clock=clock)
    keys.identify(MADE.token)
    clock.now += 86_400
    with pytest.raises(Unauthenticated, match="expired at 2026-11-23 12:00:00"):
        keys.identify(MADE.token)
    keys.replace({})
    with pytest.raises(Unauthenticated, match="not known"):
        keys.identify(MADE.token)


def test_gateways_that_answer_callers_divide_a_rate_among_them() -> None:
    clock, gateways = Clock(), [1]
    key = replace(KEY, rate=Rate(count=6, seconds=1))
    keys = Keyring({key.id: key}, clock=clock, gateways=lambda: gateways[0])

    def let_through(calls: int) -> int:
        through = 0
        for _ in range(calls):
            with suppress(Overloaded):
                keys.identify(MADE.token)
                through += 1
        return through

    assert let_through(20) == 6
    gateways[0] = 3
    assert let_through(20) == 2
    clock.now += 0.5
    assert let_through(20) == 1
    gateways[0] = 9
    assert let_through(20) == 1, "each lets at least one through now and then"
    clock.now += 1.5
    assert let_through(20) == 1


def test_a_rate_is_kept_and_says_when_to_come_back() -> None:
    clock = Clock()
    keys = ring(replace(KEY, rate=Rate(count=2, seconds=1)), clock=clock)
    keys.identify(MADE.token)
    keys.identify(MADE.token)
    with pytest.raises(Overloaded, match="may make 2 calls in 1 s") as caught:
        keys.identify(MADE.token)
    assert caught.value.retry_after == pytest.approx(0.5)
    clock.now += 0.5
    keys.identify(MADE.token)
    clock.now -= 3600  # a clock that was set back opens nothing and closes nothing for long
    with pytest.raises(Overloaded):
        keys.identify(MADE.token)


def test_a_file_gives_back_what_it_was_given_and_holds_no_secret(tmp_path: Path) -> None:
    file = KeyFile(tmp_path / "keys.yaml")
    other = replace(KEY, id="bbbbbbbb", orgs=None, expires_at=NOW, rate=Rate(count=5, seconds=60))
    file.write([KEY, other])
    assert dict(file.read()) == {KEY.id: KEY, "bbbbbbbb": other}
    assert MADE.token.rpartition("_")[2] not in file.path.read_text()
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version: 1\nkeys: [{id: x}]", "keys.0.id"),
        ("version: 2", "version"),
        ("[", "not YAML"),
        ("version: 1\nkyes: []", "kyes"),
    ],
)
def test_a_file_that_cannot_be_used_says_why(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "keys.yaml"
    path.write_text(text)
    with pytest.raises(InvalidKeyFile, match=said):
        KeyFile(path).read()


def run(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    code, out, err = asyncio.run(run_tidings("keys", *arguments, cwd=cwd))
    return subprocess.CompletedProcess(arguments, code, out, err)


def test_keys_are_made_listed_and_revoked_on_the_command_line(tmp_path: Path) -> None:
    made = run("create", "order service", "--orgs", "50750", "--allow", "publish", "--expires", "30d", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    token = made.stdout.strip()
    caller = Keyring(KeyFile(tmp_path / "keys.yaml").read(), clock=lambda: datetime.now(UTC).timestamp()).identify(
        token
    )
    assert (caller.orgs, caller.permissions) == (frozenset({50750}), frozenset({Permission.PUBLISH}))
    listed = json.loads(run("list", "--format", "json", cwd=tmp_path).stdout)["keys"]
    assert [(each["id"], each["name"], each["orgs"]) for each in listed] == [(caller.name, "order service", [50750])]
    assert token not in run("list", cwd=tmp_path).stdout
    assert run("revoke", "nokeyofm", cwd=tmp_path).returncode == 1
    assert run("revoke", caller.name, cwd=tmp_path).returncode == 0
    assert json.loads(run("list", "--format", "json", cwd=tmp_path).stdout) == {"keys": []}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--orgs", "x", "--allow", "publish"), "--orgs takes numbers"),
        (("--orgs", "1", "--allow", "publish", "--expires", "2020-01-01"), "lies in the past"),
        (("--orgs", "1", "--allow", "publish", "--rate", "many"), "--rate: a rate reads"),
    ],
)
def test_wrong_use_says_what_is_right(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    ran = run("create", "x", *arguments, cwd=tmp_path)
    assert (ran.returncode, said in ran.stderr) == (2, True), ran.stderr
    assert not list(tmp_path.iterdir())
