"""Dockerfile, compose.yaml and the systemd unit name things that exist, and configure a gateway that starts.

No container engine and no systemd run here: what is tested is what these files say.
"""

import configparser
import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway_kit import run_tidings, running_gateway, write_config
from rulebook_kit import write_rulebook
from tidings.cli import COMMANDS
from tidings.config import Settings, load_settings

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


def test_the_settings_of_the_composition_are_accepted_on_top_of_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = services()["gateway"]
    settings = settings_from({**docker_environment(), **gateway["environment"]}, monkeypatch)
    listening = {each.rpartition(":")[2] for each in (settings.grpc.listen, settings.http.listen)}
    assert {each.rpartition(":")[2] for each in gateway["ports"]} == listening
    assert set(given("EXPOSE")[0].split()) == listening
    assert all(each.startswith("127.0.0.1:") for service in services().values() for each in service["ports"])
    mounted = {each.split(":")[1] for each in gateway["volumes"]}
    assert {str(settings.rules), str(settings.auth.keys)} <= mounted
    assert settings.email.transport is not None
    assert gateway["command"][0] in COMMANDS
    brands = "".join(each.read_text() for each in (ROOT / "rules" / "brands").glob("*.yaml"))
    assert set(re.findall(r"env:(\w+)", brands)) <= set(gateway["environment"])
    assert gateway["read_only"] is True
    assert int(gateway["stop_grace_period"].removesuffix("s")) > settings.dispatch.drain + 1


def test_what_the_composition_mounts_and_starts_exists() -> None:
    parts = services()
    assert set(parts["gateway"]["depends_on"]) <= set(parts)
    sources = {each.split(":")[0] for each in parts["gateway"]["volumes"]} - {"data"}
    # The key file is made by the command that the file's first lines name.
    assert {source for source in sources if not (ROOT / source).exists()} == {"./deploy/etc/keys.yaml"}
    assert "--file deploy/etc/keys.yaml" in (ROOT / "compose.yaml").read_text()


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
