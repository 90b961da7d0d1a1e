"""The use cases of those who write the rules: compile, reload, check, explain. Nothing here sends or stores events."""

from tidings.authoring.compiling import compile_folder
from tidings.authoring.evaluate import Evaluate, Evaluation, ExplainEvent, evaluate
from tidings.authoring.given import GivenRulebooks
from tidings.authoring.reload import Reloader, ReloadStatus, fingerprint

__all__ = [
    "Evaluate",
    "Evaluation",
    "ExplainEvent",
    "GivenRulebooks",
    "ReloadStatus",
    "Reloader",
    "compile_folder",
    "evaluate",
    "fingerprint",
]
