"""The examples in the documentation are run as they stand there."""

import asyncio
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from gateway_kit import TIDINGS, RunningGateway, environment, running_gateway, write_config
from rulebook_kit import RULES, write_rulebook

ROOT = Path(__file__).parents[2]


def blocks(file: str, language: str) -> list[str]:
    return re.findall(rf"^ *```{language}\n(.*?)^ *```", (ROOT / file).read_text(), re.MULTILINE | re.DOTALL)


async def test_the_python_example_of_the_contract_publishes(tmp_path: Path) -> None:
    example, _ = blocks("protos/README.md", "python")
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        script = example.replace("127.0.0.1:50051", f"127.0.0.1:{gateway.grpc_port}")
        ran = await asyncio.to_thread(
            subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False
        )
        assert (ran.returncode, ran.stderr) == (0, "")
        assert ran.stdout.startswith("order-4711-reminder False ['points-expiring'] ['dlv_")


async def test_the_example_service_tells_of_every_order(tmp_path: Path) -> None:
    _, example = blocks("protos/README.md", "python")
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/", rules=RULES)
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        script = example.replace("127.0.0.1:50051", f"127.0.0.1:{gateway.grpc_port}")
        ran = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", script],
            input="".join(f"{number} {4711 + number}\n" for number in range(50)) + "7 1\n",
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert (ran.returncode, ran.stderr) == (0, "")
    said = sorted(ran.stdout.splitlines())
    assert len(said) == 51
    assert sum("is safe, 1 messages follow" in each for each in said) == 50
    assert next(each for each in said if "refused" in each).startswith(
        "order 7 was refused: organisation 50750 has alr"
    )


@pytest.mark.timeout(120)
async def test_a_first_rule_in_five_minutes(tmp_path: Path) -> None:
    """The README's steps, in order: write a rulebook, check it, serve, import a contact, publish, look."""
    steps = [re.sub(r"^   ", "", block, flags=re.MULTILINE) for block in blocks("README.md", "sh")]
    write, check, preview, serve, publish = (step for step in steps if "make " not in step)
    run_steps(write, tmp_path)
    assert "0 errors" in run_steps(check, tmp_path)
    assert "Subject: 300 points are waiting for you" in run_steps(preview, tmp_path)
    assert "Use them before 19 June 2023." in (tmp_path / "preview.html").read_text()
    assert serve.split()[-2:] == ["tidings", "serve"]
    settings = dict(part.split("=", 1) for part in shlex.split(serve)[:-2])
    email = {"transport": settings["TIDINGS_EMAIL__TRANSPORT"], "timeout": "2s"}
    config = write_config(tmp_path, rules=str(tmp_path / settings["TIDINGS_RULES"]), email=email)
    async with running_gateway(config) as gateway:
        said = await asyncio.to_thread(run_steps, directed(publish, gateway), tmp_path)
    assert "1 contacts imported" in said
    assert "1 accepted, 0 duplicates, 0 refused, 1 deliveries" in said
    assert "many-points-expiring" in said
    assert "Subject: 300 points are waiting for you" in said


@pytest.mark.long
def test_the_handbooks_previews_show_the_shipped_messages(tmp_path: Path) -> None:
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    (script,) = (block for block in blocks("rules/README.md", "sh") if "tidings preview" in block)
    said = run_steps(script, tmp_path)
    assert "To:        asha@example.com, customer:381750905" in said
    assert "points-expiring-soon, e-mail in en ──" in said
    assert 'sandbox=""' in (tmp_path / "preview.html").read_text()


@pytest.mark.long
async def test_the_handbooks_test_message_arrives(tmp_path: Path) -> None:
    (example,) = blocks("rules/README.md", "shell")
    (tmp_path / "rules").symlink_to(ROOT / "rules")
    email = {"transport": f"capture:{tmp_path}/outbox", "timeout": "2s"}
    async with running_gateway(write_config(tmp_path, rules=str(ROOT / "rules"), email=email)) as gateway:
        script = example.replace("127.0.0.1:50051", f"127.0.0.1:{gateway.grpc_port}")
        said = await asyncio.to_thread(run_steps, script, tmp_path)
    assert said.startswith("points-expiring-soon to address:you@example.com: accepted")
    (mail,) = (tmp_path / "outbox").glob("*.eml")
    assert "X-Tidings-Test: true" in mail.read_text()


def directed(script: str, gateway: RunningGateway) -> str:
    """Direct each command to this gateway, and wait for the mail before it is shown."""
    lines = re.sub(r"^(tidings .*)$", rf"\1 --to 127.0.0.1:{gateway.grpc_port}", script, flags=re.MULTILINE)
    wait = "for i in $(seq 100); do ls outbox/*.eml >/dev/null 2>&1 && break; sleep 0.05; done\n"
    return lines.replace("cat outbox", f"{wait}cat outbox")


def run_steps(script: str, folder: Path) -> str:
    path = f"{Path(TIDINGS).parent}:{environment()['PATH']}"
    ran = subprocess.run(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env=environment({"PATH": path, "COLUMNS": "200"}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    return ran.stdout
