"""Why a template could not be rendered: an error that says which file and line, and what to do."""

from tidings.errors import TidingsError


class RenderError(TidingsError):
    """A template failed on one event. ``file`` and ``line`` say where, ``detail`` what, ``hint`` the cure."""

    reason = "TEMPLATE_FAILED"

    def __init__(self, detail: str, *, file: str, line: int = 0, hint: str = "") -> None:
        self.detail = detail
        self.file = file
        self.line = line
        """From 1; 0 when the failure has no line."""
        self.hint = hint
        place = f"{file}:{line}" if line else file
        super().__init__(f"{place}: {detail}" + (f" ({hint})" if hint else ""))
