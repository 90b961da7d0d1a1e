"""Generates the protobuf and gRPC modules as part of every build, editable ones included.

The output lands beside the hand-written code under ``src/tidings`` and is ignored by git, so it can
never disagree with ``protos/``. Run ``python hatch_build.py`` to regenerate after editing a proto.
"""

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

ROOT = Path(__file__).parent


def generate(root: Path = ROOT) -> None:
    """Compile every file under ``protos/`` into ``src/``; raise SystemExit with protoc's own message."""
    from grpc_tools import protoc  # noqa: PLC0415 (only the build environment has it)

    # The mypy plugins are programs of the environment that runs us, which need not be activated.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    protos = root / "protos"
    files = sorted(str(path.relative_to(protos)) for path in protos.rglob("*.proto"))
    services = [name for name in files if "/gateway/" in name]
    include = [f"-I{protos}", f"-I{Path(protoc.__file__).parent / '_proto'}"]
    runs = [
        [f"--python_out={root / 'src'}", f"--mypy_out={root / 'src'}", *files],
        [f"--grpc_python_out={root / 'src'}", f"--mypy_grpc_out={root / 'src'}", *services],
    ]
    for arguments in runs:
        if code := protoc.main(["protoc", *include, *arguments]):
            raise SystemExit(f"protoc failed with exit code {code}; its message stands above")


class ProtobufBuildHook(BuildHookInterface[Any]):
    """Hatch calls this before it collects the files of a wheel or an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generate the modules unless building a source archive, which ships the protos instead.

        A wheel also carries the shipped rulebook, for ``tidings demo``; an editable install finds it in place.
        """
        if self.target_name == "sdist":
            return
        generate(Path(self.root))
        if version != "editable":
            build_data["force_include"]["rules"] = "tidings/shipped_rules"


if __name__ == "__main__":
    sys.exit(generate())
