"""Compiling a rulebook's folder without making the rest of the process pay for it."""

import gc
import sys
from pathlib import Path

from tidings.model import Secrets
from tidings.rulebook import Rulebook, load, read_folder

_TURN_SECONDS = 0.0001
"""How long the compiling thread may keep the interpreter from the others: each publish waits several turns."""


def compile_folder(folder: Path, *, secrets: Secrets) -> Rulebook:
    """Read and compile a rulebook's folder.

    Compiling makes very many objects that stay. The collector is stopped meanwhile, for it would walk through
    them again and again; afterwards they are set apart, so that later collections do not either.

    Raises:
        OSError: the folder or one of its files cannot be read.
        tidings.rulebook.InvalidRulebook: with every problem.
    """
    sources = read_folder(folder)
    gc.disable()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_SECONDS)
    try:
        rulebook = load(sources, secrets=secrets)
    finally:
        sys.setswitchinterval(usual)
        gc.enable()
    gc.freeze()
    return rulebook
