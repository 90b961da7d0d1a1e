"""The reference of settings is complete, and the file that is handed out is the one the program writes."""

from pathlib import Path

import pytest
import yaml

from gateway_kit import run_tidings
from tidings.config import load_settings, settings_reference, write_reference

ROOT = Path(__file__).parents[2]


def test_the_file_is_what_the_program_writes() -> None:
    """If this fails: tidings config reference > CONFIGURATION.md."""
    assert (ROOT / "CONFIGURATION.md").read_text() == write_reference()


def test_every_setting_is_explained() -> None:
    settings = [each for _, _, section in settings_reference() for each in section]
    assert [each.key for each in settings if not each.about] == []
    assert len({each.key for each in settings}) == len(settings) > 60


def test_every_key_of_the_defaults_is_in_the_reference() -> None:
    known = {each.key for _, _, section in settings_reference() for each in section}

    def leaves(value: object, key: str) -> set[str]:
        if not isinstance(value, dict) or not value or key in known:
            return {key}
        return {leaf for name, each in value.items() for leaf in leaves(each, f"{key}.{name}" if key else name)}

    assert leaves(load_settings(None).model_dump(mode="json"), "") <= known


async def test_show_prints_what_file_and_environment_come_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "tidings.yaml").write_text(
        "grpc: {listen: '127.0.0.1:1'}\nemail: {transport: 'smtp://me@mail.example.com:587?tls=starttls&password=env:PW'}\n"
    )
    monkeypatch.setenv("TIDINGS_GRPC__LISTEN", "127.0.0.1:2")
    monkeypatch.setenv("PW", "hunter2-secret")
    code, out, _ = await run_tidings("config", "show", cwd=tmp_path)
    shown = yaml.safe_load(out)
    assert (code, shown["grpc"]["listen"]) == (0, "127.0.0.1:2")
    assert "password=env:PW" in shown["email"]["transport"]
    assert "hunter2-secret" not in out


async def test_show_leaves_out_a_password_in_the_address_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "tidings.yaml").write_text("store: 'postgresql://tidings:hunter2@db/tidings'\n")
    _, out, _ = await run_tidings("config", "show", "--format", "json", cwd=tmp_path)
    assert ("hunter2" in out, "postgresql://tidings:…@db/tidings" in out) == (False, True)


async def test_show_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "tidings.yaml").write_text("colour: red\n")
    code, _, err = await run_tidings("config", "show", cwd=tmp_path)
    assert (code, "colour: there is no such setting" in err) == (2, True)
