"""What a newcomer runs first: the demo, and the wheel in a clean environment."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from gateway_kit import run_tidings

ROOT = Path(__file__).parents[2]


async def test_the_demo_shows_three_e_mails_and_two_verified_webhooks() -> None:
    code, out, err = await run_tidings("demo")
    assert (code, err) == (0, "")
    assert out.count("signature: verified") == 2
    assert out.count("Subject: ") == 3
    assert "300" in out
    assert "GOLD" in out
    assert "100 Punkte für Sie" in out
    assert "complete  3 e-mails, 2 webhooks with verified signatures" in out


@pytest.mark.long
@pytest.mark.timeout(180)
def test_the_wheel_works_in_a_clean_environment(tmp_path: Path) -> None:
    """The dependencies are lent from this environment; Tidings itself comes from the wheel alone."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    building = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run([*pip, *building], check=True, timeout=120)
    (wheel,) = tmp_path.glob("tidings-*.whl")
    venv.create(tmp_path / "clean")
    site = next((tmp_path / "clean").glob("lib/python*/site-packages"))
    subprocess.run([*pip, "install", "--no-deps", "--target", str(site), str(wheel)], check=True, timeout=60)
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    python = str(tmp_path / "clean" / "bin" / "python")
    script = "import tidings.cli, sys; sys.argv = ['tidings', 'demo']; print(tidings.__file__); tidings.cli.main()"
    ran = subprocess.run([python, "-c", script], check=False, capture_output=True, text=True, cwd=tmp_path, timeout=60)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith(str(site))
    assert "complete  3 e-mails, 2 webhooks" in ran.stdout
