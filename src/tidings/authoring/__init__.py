"""The use cases of those who write the rules: compile, reload, check, explain. Nothing here sends or stores events."""

from tidings.authoring.compiling import compile_folder
from tidings.authoring.reload import Reloader, ReloadStatus

__all__ = ["ReloadStatus", "Reloader", "compile_folder"]
