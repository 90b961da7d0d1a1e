"""The command line against a running gateway."""

import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from gateway_kit import RunningGateway, open_test_gateway, run_tidings, write_config
from rulebook_kit import write_rulebook
from tidings.cli import COMMANDS, application, overview
from tidings.events import sample
from tidings.gateway.v1.contact_service_pb2 import GetContactRequest
from tidings.gateway.v1.contact_service_pb2_grpc import ContactServiceStub


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[RunningGateway]:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with open_test_gateway(write_config(tmp_path, rules=str(rules))) as running:
        yield running


def to(gateway: RunningGateway) -> tuple[str, str]:
    return "--to", f"127.0.0.1:{gateway.grpc_port}"


async def test_a_published_payload_can_be_listed_and_shown(gateway: RunningGateway, tmp_path: Path) -> None:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(sample("pointsIssued")))
    code, out, err = await run_tidings("publish", str(file), *to(gateway))
    assert (code, "1 accepted" in out + err) == (0, True)
    _, out, _ = await run_tidings("deliveries", "list", "--format", "json", *to(gateway))
    (delivery,) = json.loads(out)["deliveries"]
    assert (delivery["rule_id"], delivery["channel"], delivery["recipient"]) == (
        "points-issued",
        "webhook",
        "endpoint:crm",
    )
    code, out, _ = await run_tidings("deliveries", "show", delivery["id"], *to(gateway))
    assert code == 0
    assert delivery["id"] in out
    code, out, _ = await run_tidings("deliveries", "list", "--state", "cancelled", *to(gateway))
    assert (code, out) == (0, "no deliveries\n")


async def test_a_delivery_that_is_not_there_is_said_so(gateway: RunningGateway) -> None:
    code, _, err = await run_tidings("deliveries", "show", "dlv_none", *to(gateway))
    assert (code, err) == (2, "NOT_FOUND: no delivery 'dlv_none'\n")


async def test_no_gateway_is_said_so() -> None:
    code, _, err = await run_tidings("deliveries", "list", "--to", "127.0.0.1:9")
    assert code == 2
    assert "no gateway answers at 127.0.0.1:9" in err


async def test_contacts_are_imported_and_bad_rows_reported_with_their_lines(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    file = tmp_path / "members.csv"
    file.write_text(
        "org,customer_id,email,name\n"
        "50750,1,one@example.com,One\n"
        "50750,2,two,Two\n"
        "fifty,3,three@example.com,Three\n"
        "50750,4,four@example.com,\n"
    )
    code, _, err = await run_tidings("contacts", "import", str(file), *to(gateway))
    assert code == 1
    assert "line 3: email: is not an e-mail address" in err
    assert "line 4: org: 'fifty' is not an organisation's number" in err
    assert "2 contacts imported, 2 rows refused" in err
    stub = ContactServiceStub(gateway.channel)
    kept = await stub.GetContact(GetContactRequest(org_id=50750, customer_id="4"))
    assert (kept.contact.email, kept.contact.HasField("name")) == ("four@example.com", False)


async def test_a_csv_without_the_required_columns_is_refused_before_anything_is_sent(
    gateway: RunningGateway, tmp_path: Path
) -> None:
    file = tmp_path / "members.csv"
    file.write_text("organisation,email\n1,a@example.com\n")
    code, _, err = await run_tidings("contacts", "import", str(file), *to(gateway))
    assert code == 2
    assert "line 1: the header lacks the column org" in err


def helps(command: Any, name: str = "tidings") -> Iterator[tuple[str, str]]:
    """Yield the help of every command that can be run, groups opened."""
    children = getattr(command, "commands", None)
    if children is None:
        yield name, command.help or ""
    for child in (children or {}).values():
        yield from helps(child, f"{name} {child.name}")


def test_every_command_explains_itself_with_an_example() -> None:
    found = dict(helps(get_command(application(COMMANDS))))
    assert {"tidings serve", "tidings deliveries retry", "tidings keys create"} <= set(found)
    assert [name for name, text in found.items() if not re.search(rf"Example: .*{name}", text)] == []


def shown_by(application: typer.Typer) -> str:
    """Return what a command line prints when it is asked for help."""
    result = CliRunner().invoke(application, ["--help"], terminal_width=100)
    assert result.exit_code == 0
    return result.output


def test_the_overview_says_what_the_commands_say_of_themselves() -> None:
    assert shown_by(overview()) == shown_by(application(COMMANDS))


def test_the_overview_loads_commands_that_come_without_their_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SourceFileLoader, "get_source", lambda *_: None)
    assert shown_by(overview()) == shown_by(application(COMMANDS))


def test_the_overview_imports_no_command() -> None:
    code = "import sys; from tidings.cli import overview; overview(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"grpc", "tidings.app", "tidings.rules"} & set(loaded.stdout.split())


async def test_help_is_printed_for_a_command_of_a_group() -> None:
    code, out, _ = await run_tidings("deliveries", "retry", "--help")
    assert (code, "Example: tidings deliveries retry" in out) == (0, True)


async def test_a_command_that_is_not_there_is_wrong_use() -> None:
    code, _, err = await run_tidings("nonsense")
    assert (code, "No such command 'nonsense'" in err) == (2, True)
