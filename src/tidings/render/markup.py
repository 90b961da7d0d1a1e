"""MJML and HTML: what is wrong with a template's markup, with places.

MJML is compiled per message, after Jinja (mrml takes about 0.1 ms), so loops and conditions may stand anywhere
around whole elements. The compiler says little about mistakes, so tags are checked here first: every element
closes in the same file and branch.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tidings.documents import did_you_mean
from tidings.model import Problem
from tidings.render.finishing import BadMarkup, compile_mjml
from tidings.render.masking import PRINTED, Masked
from tidings.render.passage import Passage

Report = Callable[[Problem], None]

_ELEMENTS: Final = frozenset({
    "mj-accordion", "mj-accordion-element", "mj-accordion-text", "mj-accordion-title", "mj-all", "mj-attributes",
    "mj-body", "mj-breakpoint", "mj-button", "mj-carousel", "mj-carousel-image", "mj-class", "mj-column", "mj-divider",
    "mj-font", "mj-group", "mj-head", "mj-hero", "mj-image", "mj-navbar", "mj-navbar-link", "mj-preview", "mj-raw",
    "mj-section", "mj-social", "mj-social-element", "mj-spacer", "mj-style", "mj-table", "mj-text", "mj-title",
    "mj-wrapper",
})  # fmt: skip
FORBIDDEN: Final[Mapping[str, str]] = {
    "script": "mail clients drop scripts; leave it out",
    "iframe": "mail clients drop frames; link to the page",
    "form": "mail clients drop forms; link to the page",
    "object": "mail clients drop objects; use an image",
    "embed": "mail clients drop objects; use an image",
    "mj-include": 'write {% include "_partials/NAME.mjml" %}',
}
"""Elements that no message may have, with what to do instead."""

VOID: Final = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr",
})  # fmt: skip
"""HTML elements that have no end tag."""

LINKS: Final = frozenset({"href", "src", "background-url", "action", "poster", "background", "srcset"})
"""Attributes that lead somewhere."""

_TAG: Final = re.compile(
    r"<!--.*?-->|<![^>]*>|<(?P<close>/)?(?P<name>[A-Za-z][\w:-]*)"
    r"(?P<attributes>(?:[^<>\"']|\"[^\"]*\"|'[^']*')*?)(?P<alone>/)?>",
    re.DOTALL,
)
_ATTRIBUTE: Final = re.compile(r"(?P<name>[\w:-]+)\s*=\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s\"'>]+)")
_CHECKED_LINK: Final = re.compile(r"\|\s*url\s*[-+]?\}\}$")
_SCHEME_SETTLED: Final = re.compile(r"[/?#:]")


def check_tags(passage: Passage, masked: Masked, *, kind: str, report: Report) -> None:
    """Report elements, attributes and links that are wrong by themselves."""
    for problem in _unsafe(passage, masked):
        report(problem)
    for problem in _unbalanced(passage, masked) if kind == "mjml" else ():
        report(problem)


def check_mjml(passage: Passage, masked: Masked, *, partials: Mapping[str, Masked], report: Report) -> None:
    """Report what the compiler refuses in a whole template and the partials it includes, by name."""
    for problem in _refused(passage, masked, partials):
        report(problem)


def _unbalanced(passage: Passage, masked: Masked) -> Iterator[Problem]:
    """Yield elements that are unknown, never closed, or closed by another's end."""
    opened: list[re.Match[str]] = []
    for tag in _TAG.finditer(masked.text):
        name = tag["name"]
        if not name:
            continue
        if name.startswith("mj-") and name not in _ELEMENTS and name not in FORBIDDEN and not tag["close"]:
            hint = did_you_mean(name, _ELEMENTS)
            yield _at(passage, tag, "unknown-element", f"there is no element <{name}>", hint)
        if tag["alone"] or (name.lower() in VOID and not tag["close"]):
            continue
        if not tag["close"]:
            opened.append(tag)
        elif opened and opened[-1]["name"] == name:
            opened.pop()
        else:
            yield _misclosed(passage, tag, opened)
            return
    for tag in opened[-1:]:
        yield _at(passage, tag, "unclosed-element", f"<{tag['name']}> is never closed", f"write </{tag['name']}>")


def _misclosed(passage: Passage, tag: re.Match[str], opened: list[re.Match[str]]) -> Problem:
    name = tag["name"]
    if not opened:
        return _at(
            passage, tag, "unclosed-element", f"</{name}> closes nothing", "an element opens and closes in one file"
        )
    inner = opened[-1]
    line, _ = passage.locate(inner.start())
    message = f"</{name}> stands where <{inner['name']}> of line {line} is still open"
    return _at(passage, tag, "unclosed-element", message, f"write </{inner['name']}> before it")


def _refused(passage: Passage, masked: Masked, partials: Mapping[str, Masked]) -> Iterator[Problem]:
    first = next((tag for tag in _TAG.finditer(masked.text) if tag["name"]), None)
    if first is None or first["name"] != "mjml":
        offset = first.start() if first else len(masked.text) - len(masked.text.lstrip())
        hint = "the template begins with <mjml> and ends with </mjml>"
        yield passage.problem(offset, code="mjml-syntax", message="an MJML template is one <mjml> element", hint=hint)
        return
    try:
        compile_mjml(_assembled(masked, partials).replace(PRINTED, "x").strip())
    except BadMarkup as error:
        message = f"not MJML: {_POSITION.sub('', str(error))}"
        yield passage.problem(_suspect(masked, first), code="mjml-syntax", message=message, hint=_XML_HINT)


def _assembled(masked: Masked, partials: Mapping[str, Masked]) -> str:
    """Return the markup with what it includes, in place. Circles were refused before."""
    out, position = [], 0
    for start, end, name in masked.includes:
        out.append(masked.text[position:start])
        out.append(_assembled(partials[name], partials) if name in partials else "")
        position = end
    return "".join([*out, masked.text[position:]])


_POSITION: Final = re.compile(r" at position [\d:]+")
_XML_HINT: Final = 'every attribute is name="value", and a bare < is written &lt;'


def _suspect(masked: Masked, first: re.Match[str]) -> int:
    """Return where the fault probably is: a bare ``<``, or an attribute without quotes; else the first element."""
    rest = _TAG.sub(lambda tag: " " * len(tag[0]), masked.text)
    stray = rest.find("<")
    if stray >= 0:
        return stray
    for tag in _TAG.finditer(masked.text):
        bare = re.search(r"=\s*[^\s\"'>]", re.sub(r"\"[^\"]*\"|'[^']*'", lambda text: '"' * len(text[0]), tag[0]))
        if bare and tag["name"]:
            return tag.start() + bare.start()
    return first.start()


def _unsafe(passage: Passage, masked: Masked) -> Iterator[Problem]:
    """Yield elements and attributes that have no place in a message, and links that an event could turn."""
    for tag in _TAG.finditer(masked.text):
        name = (tag["name"] or "").lower()
        if name in FORBIDDEN and not tag["close"]:
            yield _at(passage, tag, "forbidden-element", f"<{name}> has no place in a message", FORBIDDEN[name])
        if name and tag["attributes"]:
            for attribute in _ATTRIBUTE.finditer(masked.text, tag.start("attributes"), tag.end("attributes")):
                yield from _unsafe_attribute(passage, masked, attribute)


def _unsafe_attribute(passage: Passage, masked: Masked, attribute: re.Match[str]) -> Iterator[Problem]:
    name, value, start = attribute["name"].lower(), attribute["value"], attribute.start("value")
    if value[0] not in "\"'" and PRINTED in value:
        message = f"the value of {name} needs quotes round it"
        yield passage.problem(start, code="unquoted-attribute", message=message, hint=f'write {name}="…"')
    if name.startswith("on"):
        yield passage.problem(
            attribute.start(), code="forbidden-attribute", message=f"{name} runs a script", length=len(name)
        )
    if name not in LINKS:
        return
    if re.match(r"[\"']?\s*(javascript|data|vbscript):", value, re.IGNORECASE):
        yield passage.problem(start, code="unsafe-link", message="a link leads to the web, an address or a telephone")
    for first, end in masked.expressions:
        settled = _SCHEME_SETTLED.search(masked.text[start:first].replace(PRINTED, ""))
        checked = _CHECKED_LINK.search(passage.text[first:end])
        if start <= first < attribute.end() and not settled and not checked:
            message = "a link taken from data must be checked"
            hint = "write {{ … | url }}"
            yield passage.problem(first, code="unsafe-link", message=message, hint=hint, length=end - first)


def _at(passage: Passage, tag: re.Match[str], code: str, message: str, hint: str = "") -> Problem:
    length = len(tag["name"]) + (2 if tag["close"] else 1)
    return passage.problem(tag.start(), code=code, message=message, hint=hint, length=length)
