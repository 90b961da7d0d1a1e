"""The use cases of those who write the rules: compile, reload, check, explain, preview, send a test.

Nothing here records an event or a delivery, and only a test is sent, to whom its sender names.
"""

from tidings.authoring.compiling import compile_folder
from tidings.authoring.evaluate import Evaluate, Evaluation, ExplainEvent, evaluate
from tidings.authoring.given import GivenRulebooks
from tidings.authoring.preview import Occasion, Preview, Previewed, PreviewedMessage, preview
from tidings.authoring.reload import Reloader, ReloadStatus, fingerprint
from tidings.authoring.trial import SendTest, SentTest, Target

__all__ = [
    "Evaluate",
    "Evaluation",
    "ExplainEvent",
    "GivenRulebooks",
    "Occasion",
    "Preview",
    "Previewed",
    "PreviewedMessage",
    "ReloadStatus",
    "Reloader",
    "SendTest",
    "SentTest",
    "Target",
    "compile_folder",
    "evaluate",
    "fingerprint",
    "preview",
]
