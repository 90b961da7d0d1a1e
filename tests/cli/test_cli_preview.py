"""What ``tidings preview`` prints: whole texts, and every reason why nothing goes out."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from preview_kit import APP, RULES, preview_rulebook
from tidings.events import sample
from tidings.rulebook import load, read_folder

NOW = ("--now", "2023-06-01T00:00:00Z")


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    return CliRunner().invoke(APP, [str(each) for each in arguments], input=stdin)


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    return preview_rulebook(tmp_path / "rules")


def payload(*, points: int = 300, event_id: str = "e-1") -> bytes:
    event = sample("pointsExpiryReminder")
    event["eventId"] = event_id
    event["createdAt"] = 1_685_527_200_000
    event["data"]["pointsScheduledForExpiry"] = points
    for channel in event["data"]["customerIdentifiers"].values():
        if isinstance(channel, dict):
            channel.pop("email", None)
    return json.dumps(event).encode()


def test_the_messages_are_shown_whole_and_the_other_rules_with_their_reasons(rules: Path) -> None:
    result = run(rules, "-", *NOW, "--email", "asha@example.com", "--name", "Asha", stdin=payload())
    revision = load(read_folder(rules)).revision
    webhooks = [line.split()[-1] for line in result.stdout.splitlines() if line.startswith("webhook-id:")]
    assert result.exit_code == 0
    assert (
        result.stdout
        == f"""\
pointsExpiryReminder of organisation 50750, decided at 2023-06-01T00:00:00Z by revision {revision}

── 1 of 3: reminder, e-mail in en ──
From:      Example Rewards <rewards@example.com>
To:        asha@example.com, customer:381750905
Subject:   300 points expire
Preheader: Use them by 19 June 2023

Hello Asha, your address is asha@example.com.

── 2 of 3: reminder, webhook ──
To:                crm at crm.example.com
Type:              loyalty.expiring
content-type:      application/json
webhook-id:        {webhooks[0]}
webhook-timestamp: (the seconds of each attempt)
webhook-signature: (made of id, timestamp and body with env:EXAMPLE_CRM_SECRET)

{{
  "type": "loyalty.expiring",
  "timestamp": "2023-05-31T10:00:00.000Z",
  "data": {{
    "points": 300
  }}
}}

── 3 of 3: in-shadow, webhook ──
Not sent:          the rule's mode is shadow: it sends nothing
To:                crm at crm.example.com
Type:              loyalty.shadow
content-type:      application/json
webhook-id:        {webhooks[1]}
webhook-timestamp: (the seconds of each attempt)
webhook-signature: (made of id, timestamp and body with env:EXAMPLE_CRM_SECRET)

{{
  "type": "loyalty.shadow",
  "timestamp": "2023-05-31T10:00:00.000Z",
  "data": {{
    "org": 50750
  }}
}}

~ many: near miss: all of the condition holds but data.pointsScheduledForExpiry > `1000` with 300
1 rule is for other events
"""
    )
    assert len(set(webhooks)) == 2
    assert "secret-path" not in result.stdout


def test_nothing_goes_out_and_it_is_said_why(rules: Path) -> None:
    result = run(rules, "-", *NOW, "--rule", "reminder", stdin=payload(points=40))
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1:] == [
        "Nothing would go out.",
        "",
        "✗ reminder: the condition is not true: data.pointsScheduledForExpiry > `100` with 40",
    ]


def test_a_message_without_an_address_is_shown_with_what_is_missing(rules: Path) -> None:
    shown = json.loads(run(rules, "-", *NOW, "--rule", "reminder", "--format", "json", stdin=payload()).stdout)
    first, second = shown["messages"]
    assert first["problem"] == "no e-mail address is known for customer 381750905"
    assert (first["email"]["address"], first["email"]["subject"]) == ("", "300 points expire")
    assert (second["problem"], second["webhook"]["type"]) == ("", "loyalty.expiring")


def test_an_expired_message_is_shown_as_such(rules: Path) -> None:
    asked = (rules, "-", "--now", "2024-01-01", "--rule", "reminder", "--email", "a@example.com", "--format", "json")
    shown = json.loads(run(*asked, stdin=payload()).stdout)
    assert {each["problem"] for each in shown["messages"]} == {"it expired at 2023-06-19T23:59:59.999Z"}


def test_every_locale_is_shown_once_and_webhooks_are_not_multiplied(rules: Path) -> None:
    asked = (rules, "-", *NOW, "--rule", "reminder", "--all-locales", "--email", "a@example.com", "--format", "json")
    shown = json.loads(run(*asked, stdin=payload()).stdout)["messages"]
    told = [each["email"]["subject"] if "email" in each else each["webhook"]["type"] for each in shown]
    assert told == ["300 Punkte verfallen", "300 points expire", "loyalty.expiring"]


def test_a_contact_comes_from_a_file_and_options_go_over_it(rules: Path, tmp_path: Path) -> None:
    file = tmp_path / "asha.json"
    file.write_text(json.dumps({"name": "Asha", "email": "asha@example.com", "locale": "de", "time_zone": None}))
    asked = (rules, "-", *NOW, "--rule", "reminder", "--contact", file, "--name", "Rao", "--format", "json")
    email = json.loads(run(*asked, stdin=payload()).stdout)["messages"][0]["email"]
    assert (email["locale"], email["address"]) == ("de", "asha@example.com")
    assert email["text"].strip() == "Hallo Rao, your address is asha@example.com."


def test_a_message_that_cannot_be_made_ends_with_one(rules: Path) -> None:
    event = json.loads(payload())
    event["data"].pop("scheduledExpiryDate")
    result = run(rules, "-", *NOW, "--rule", "reminder", "--email", "a@example.com", stdin=json.dumps(event).encode())
    assert result.exit_code == 1
    assert "Not sent: it cannot be made: templates/reminder.en.html:3" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--locale", "x!"), "locale: 'x!' is not a locale"),
        (("--time-zone", "Mars/Olympus"), "time_zone: 'Mars/Olympus' is not an IANA time zone"),
        (("--email", "nobody"), "email: is not an e-mail address"),
        (("--customer", "4711"), "need --to HOST:PORT"),
        (("--send-to", "a@example.com"), "need --to HOST:PORT"),
        (("--rule", "remindr"), "did you mean"),
        (("--contact", "/nowhere.json"), "cannot be read"),
        (("--customer", "4711", "--name", "A", "--to", "127.0.0.1:1"), "leave out --contact"),
    ],
)
def test_wrong_use_is_told(rules: Path, arguments: tuple[str, ...], said: str) -> None:
    result = run(rules, "pointsExpiryReminder", *arguments)
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [('{"emial": "a@example.com"}', "emial is nothing that a contact has"), ("[]", "no JSON object"), ("{", "no JSON")],
)
def test_a_contact_file_that_is_none_is_refused(rules: Path, tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "contact.json").write_text(content)
    result = run(rules, "pointsExpiryReminder", "--contact", tmp_path / "contact.json")
    assert (result.exit_code, said in result.stderr) == (2, True), result.stderr


def test_a_rule_that_gathers_says_so_and_is_shown_as_a_digest_of_the_one_event(tmp_path: Path) -> None:
    digest = "  - id: many\n    digest: {every: 1d, at: '09:00', by: brand}\n"
    rules = preview_rulebook(tmp_path / "rules", rules=RULES.replace("  - id: many\n", digest))
    result = run(rules, "-", *NOW, "--rule", "many", stdin=payload(points=2000))
    assert result.exit_code == 0
    assert "Digest:            every 1d at 09:00 by brand; shown with this event alone\n" in result.stdout
    body = json.loads(result.stdout[result.stdout.index("\n{\n") :])
    assert [each["data"]["pointsScheduledForExpiry"] for each in body["data"]["events"]] == [2000]

    told = json.loads(run(rules, "-", *NOW, "--format", "json", stdin=payload(points=2000)).stdout)
    gathering = [(each["rule_id"], each["gathers"]) for each in told["messages"] if each.get("gathers")]
    assert gathering == [("many", "every 1d at 09:00 by brand")]
