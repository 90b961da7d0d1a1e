"""A short run of the fuzz target keeps it alive."""

import subprocess
import sys
from pathlib import Path


def test_the_fuzz_target_finds_nothing_in_a_short_run() -> None:
    target = Path(__file__).with_name("fuzz_convert.py")
    done = subprocess.run(
        [sys.executable, str(target), "--runs", "1500"], capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stderr) == (0, "")
