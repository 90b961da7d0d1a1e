"""Dockerfile, compose.yaml and the systemd unit name things that exist, and configure a gateway that starts.

No container engine and no systemd run here: what is tested is what these files say.
"""

import asyncio
import configparser
import json
import os
import re
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway_kit import environment, eventually, run_tidings, running_gateway, start_tidings, write_config
from postgres_kit import a_cluster, free_port, needs_postgres
from prepared_kit import read_pipe
from rulebook_kit import write_rulebook
from smtp_kit import SmtpSink, smtp_sink
from tidings.cli import COMMANDS
from tidings.client import TidingsClient
from tidings.config import Settings, load_settings
from tidings.events import convert_one, sample

ROOT = Path(__file__).parents[2]


def instructions() -> list[tuple[str, str]]:
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines)]


def given(word: str) -> list[str]:
    return [rest for each, rest in instructions() if each == word]


def settings_from(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, file: Path | None = None) -> Settings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(file)


def docker_environment() -> dict[str, str]:
    pairs = (pair.partition("=") for line in given("ENV") for pair in shlex.split(line))
    return {name: value for name, _, value in pairs if name.startswith("TIDINGS_")}


def test_what_the_image_is_built_from_exists_and_is_sent_to_the_builder() -> None:
    sources = [source for line in given("COPY") if "--from" not in line for source in line.split()[:-1]]
    sent = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {source for source in sources if not (ROOT / source).exists()} == set()
    assert set(sources) == sent


def test_the_image_runs_the_program_as_nobody_in_particular() -> None:
    assert given("USER") == ["tidings"]
    assert json.loads(given("ENTRYPOINT")[0]) == ["tidings"]
    assert json.loads(given("CMD")[0])[0] in COMMANDS
    check = json.loads(given("HEALTHCHECK")[0].partition("CMD ")[2])
    assert (check[0], check[1] in COMMANDS) == ("tidings", True)
    assert not re.search(r"(?i)password|secret|tdk_", (ROOT / "Dockerfile").read_text())


def test_the_settings_of_the_image_are_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_from(docker_environment(), monkeypatch)
    assert settings.store == "sqlite:////var/lib/tidings/tidings.db"
    assert given("VOLUME") == [str(Path(settings.store.removeprefix("sqlite:///")).parent)]


def services() -> dict[str, Any]:
    return dict(yaml.safe_load((ROOT / "compose.yaml").read_text())["services"])


def gateways() -> dict[str, Any]:
    return {name: each for name, each in services().items() if name.startswith("gateway-")}


GIVEN = {"DATABASE_PASSWORD": "a-password", "CAPILLARY_KEY": "a-key"}
"""What the first lines of the composition have its user export."""


def interpolated(value: str) -> str:
    """Put in what is exported, as ``docker compose`` does; what is wanted and not given is a KeyError."""

    def put_in(found: re.Match[str]) -> str:
        return GIVEN.get(found["name"], found["default"]) if found["operator"] == ":-" else GIVEN[found["name"]]

    return re.sub(r"\$\{(?P<name>\w+)(?P<operator>:-|:\?)(?P<default>[^}]*)\}", put_in, value)


def composed_environment(gateway: Mapping[str, Any]) -> dict[str, str]:
    """Return what a gateway's process finds, the image's settings included."""
    return docker_environment() | {name: interpolated(value) for name, value in gateway["environment"].items()}


@pytest.mark.parametrize("name", ["gateway-1", "gateway-2"])
def test_the_settings_of_the_composition_are_accepted_on_top_of_the_images(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway = gateways()[name]
    settings = settings_from(composed_environment(gateway), monkeypatch)
    listening = {each.rpartition(":")[2] for each in (settings.grpc.listen, settings.http.listen)}
    assert {each.rpartition(":")[2] for each in gateway["ports"]} == listening
    assert set(given("EXPOSE")[0].split()) == listening
    mounted = {each.split(":")[1] for each in gateway["volumes"]}
    assert {str(settings.rules), str(settings.auth.keys)} == mounted
    assert settings.email.transport is not None
    assert gateway["command"][0] in COMMANDS
    brands = "".join(each.read_text() for each in (ROOT / "rules" / "brands").glob("*.yaml"))
    assert set(re.findall(r"env:(\w+)", brands)) <= set(gateway["environment"])
    assert gateway["read_only"] is True
    assert int(gateway["stop_grace_period"].removesuffix("s")) > settings.dispatch.drain + 1


def test_ports_of_the_composition_are_this_machines_own_and_taken_once() -> None:
    published = [each for service in services().values() for each in service.get("ports", ())]
    assert all(each.startswith("127.0.0.1:") for each in published)
    assert len({each.split(":")[1] for each in published}) == len(published) == 5


def test_the_composition_is_several_gateways_on_the_database_that_it_makes() -> None:
    first, second = gateways().values()
    assert {name: each for name, each in first.items() if name != "ports"} == {
        name: each for name, each in second.items() if name != "ports"
    }
    database = services()["database"]["environment"]
    user, password, name = (database[f"POSTGRES_{each}"] for each in ("USER", "PASSWORD", "DB"))
    assert first["environment"]["TIDINGS_STORE"] == f"postgresql://{user}@database/{name}"
    assert interpolated(first["environment"]["PGPASSWORD"]) == interpolated(password) == GIVEN["DATABASE_PASSWORD"]
    assert first["environment"]["TIDINGS_EMAIL__TRANSPORT"].startswith("smtp://mail:")


def test_what_the_composition_mounts_and_waits_for_exists() -> None:
    composition = yaml.safe_load((ROOT / "compose.yaml").read_text())
    mounts = [each.split(":")[0] for service in services().values() for each in service.get("volumes", ())]
    assert set(composition["volumes"]) == {each for each in mounts if not each.startswith(".")}
    # The key file is made by the command that the file's first lines name.
    missing = {each for each in mounts if each.startswith(".") and not (ROOT / each).exists()}
    assert missing == {"./deploy/etc/keys.yaml"}
    assert "--file deploy/etc/keys.yaml" in (ROOT / "compose.yaml").read_text()
    for gateway in gateways().values():
        assert set(gateway["depends_on"]) == set(services()) - set(gateways())
    awaited = {name for name, how in gateway["depends_on"].items() if how["condition"] == "service_healthy"}
    assert awaited == {name for name, service in services().items() if "healthcheck" in service} == {"database"}


@asynccontextmanager
async def composed(gateway: Mapping[str, Any], instead: Mapping[str, str], folder: Path) -> AsyncIterator[int]:
    """Run a gateway of the composition by its own command and environment; yield its gRPC port."""
    told = composed_environment(gateway)
    for theirs, ours in instead.items():
        told = {name: value.replace(theirs, ours) for name, value in told.items()}
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb"), Path(os.devnull).open("r+b") as nothing:  # noqa: ASYNC230 (a moment)
        files = (nothing.fileno(), nothing.fileno(), writing)
        process = await start_tidings(gateway["command"], files, env=environment(told), cwd=folder)
    lines = await read_pipe(reading)
    try:
        async with asyncio.timeout(60):
            while (line := json.loads(await lines.readline()))["event"] != "gateway.started":
                pass
        yield line["grpc_port"]
    finally:
        process.kill()
        await process.wait()
        await lines.read()


@needs_postgres
@pytest.mark.long
@pytest.mark.timeout(240)
async def test_the_gateways_of_the_composition_work_together_and_their_mail_arrives(tmp_path: Path) -> None:
    """Their own commands and variables; only addresses and folders are this machine's."""
    made = ["create", "order service", "--orgs", "all", "--allow", "publish", "--file", str(tmp_path / "keys.yaml")]
    code, key, err = await run_tidings("keys", *made)
    assert code == 0, err
    port = str(free_port())
    with a_cluster(durable=False, listen_addresses="127.0.0.1", port=port) as cluster:
        cluster.tell(f"ALTER ROLE tidings PASSWORD '{GIVEN['DATABASE_PASSWORD']}'", "CREATE DATABASE tidings")
        cluster.admit("host tidings tidings 127.0.0.1/32 scram-sha-256", "local all all trust")
        async with smtp_sink() as mail, AsyncExitStack() as closing:
            instead = {
                "@database/": f"@127.0.0.1:{port}/",
                "//mail:1025": f"//127.0.0.1:{mail.port}",
                "0.0.0.0:50051": "127.0.0.1:0",
                "0.0.0.0:8080": "127.0.0.1:0",
                "/etc/tidings/rules": str(ROOT / "rules"),
                "/etc/tidings/keys.yaml": str(tmp_path / "keys.yaml"),
            }
            ports = [
                await closing.enter_async_context(composed(each, instead, tmp_path)) for each in gateways().values()
            ]
            event = convert_one(sample("issueRewardFailure")).event
            event.org_id = 50750
            answers = []
            for each in ports:
                client = TidingsClient(f"127.0.0.1:{each}", key=key.strip())
                answers.append(await (await closing.enter_async_context(client)).publish(event))
            assert [each.duplicate for each in answers] == [False, True]
            await eventually(lambda: arrived(mail))
        (message,) = mail.messages
    assert message.recipients == ("loyalty-team@example.com",)
    assert message.message["message-id"].startswith(f"<{answers[0].delivery_ids[0]}@")


async def arrived(mail: SmtpSink) -> bool:
    return bool(mail.messages)


def unit() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # systemd tells cases apart
    parser.read_string((ROOT / "deploy" / "tidings.service").read_text())
    return parser


def test_the_unit_starts_and_reloads_a_gateway_it_configures_rightly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = unit()["Service"]
    program, command, *arguments = shlex.split(service["ExecStart"])
    assert (program, command in COMMANDS) == ("/opt/tidings/bin/tidings", True)
    assert arguments == ["--config", "/etc/tidings/tidings.yaml"]
    assert service["ExecReload"].split()[1:] == ["-HUP", "$MAINPID"]
    assert service["Type"] == "exec"  # nothing here tells systemd more than that
    settings = settings_from(dict(each.split("=", 1) for each in service["Environment"].split()), monkeypatch)
    assert settings.store.removeprefix("sqlite:///").startswith(f"/var/lib/{service['StateDirectory']}/")
    assert int(service["TimeoutStopSec"]) > settings.dispatch.drain + 10


async def test_ready_tells_whether_a_gateway_is(tmp_path: Path) -> None:
    rules = write_rulebook(tmp_path / "rules", crm="http://127.0.0.1:9/")
    async with running_gateway(write_config(tmp_path, rules=str(rules))) as gateway:
        code, out, _ = await run_tidings("ready", "--to", f"127.0.0.1:{gateway.http_port}")
        assert (code, json.loads(out)["ready"]) == (0, True)
        port = gateway.http_port
    code, _, err = await run_tidings("ready", "--to", f"127.0.0.1:{port}")
    assert (code, f"no gateway answers at 127.0.0.1:{port}" in err) == (1, True)
    assert (await run_tidings("ready", "--to", "here"))[0] == 2
