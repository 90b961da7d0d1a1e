"""Templates and contexts for the tests of tidings.render."""

from collections.abc import Mapping
from typing import Any

from tidings.model import Problem, Source
from tidings.render import Rendered, TemplateSet, compile_templates

HEAD = "---\nsubject: Hello\n---\n"


def sources(files: Mapping[str, str]) -> list[Source]:
    return [Source(path=f"templates/{name}", data=text.encode()) for name, text in files.items()]


def compiled(files: Mapping[str, str]) -> TemplateSet:
    problems: list[Problem] = []
    templates = compile_templates(sources(files), report=problems.append)
    assert problems == []
    return templates


def problems_of(files: Mapping[str, str]) -> list[str]:
    """Every problem as one line, in order of place: ``file:line:column: error[code]: message (hint)``."""
    problems: list[Problem] = []
    compile_templates(sources(files), report=problems.append)
    return [f"{each}" + (f" ({each.hint})" if each.hint else "") for each in sorted(problems)]


def rendered(text: str, kind: str = "txt", **context: Any) -> Rendered:
    """Render one template that stands alone."""
    return compiled({f"a.en.{kind}": text}).render("a", locales=["en"], context=context)


def body(text: str, kind: str = "txt", **context: Any) -> str:
    """Render one body; return the text part of a .txt, else what the body of the HTML holds."""
    made = rendered(HEAD + text, kind, **context)
    return made.text if made.html is None else inside(made.html)


def inside(html: str) -> str:
    """Return what stands between the tags of the body."""
    return html.partition("<body>\n")[2].rpartition("</body>")[0]
