"""Compiling a rulebook's folder without making the rest of the process pay for it."""

import gc
from pathlib import Path

from tidings.model import Secrets
from tidings.rulebook import Rulebook, load, read_folder


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
    try:
        rulebook = load(sources, secrets=secrets)
    finally:
        gc.enable()
    gc.freeze()
    return rulebook
