"""From rendered markup to the HTML that goes out: inlined styles, language, direction, preheader, dark mode."""

import re
from typing import Final

import css_inline
import mrml
from markupsafe import escape

RIGHT_TO_LEFT: Final = frozenset({"ar", "ckb", "dv", "fa", "he", "ks", "ps", "sd", "ug", "ur", "yi"})
"""Languages that are written from right to left, unless the locale names a script."""

_RIGHT_TO_LEFT_SCRIPTS: Final = frozenset({"adlm", "arab", "hebr", "nkoo", "rohg", "syrc", "thaa"})
_HEAD_BLANKS: Final = re.compile(r">[ \t]+(?=<)")
"""mrml 0.2 refuses blanks between elements of the head unless a line break is among them."""
_UNSENDABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_CONTROLS: Final = bytes(code for code in (*range(32), 127) if code not in b"\t\n\r")
_TAG: Final = re.compile(r"<[a-zA-Z](?:[^<>\"']|\"[^\"]*\"|'[^']*')*>")
_QUOTED: Final = re.compile(r"(?<==)(?:\"[^\"]*\"|'[^']*')")
_ODD: Final = re.compile(r"[^ -\[\]-~]")
"""Whatever is not printable ASCII, and the backslash."""

_OPENED: Final = re.compile(r"<(?!html )([a-z][a-z0-9]*) ")
"""Where a tag's attributes begin, a line may: mrml writes one line, which mail could not carry as it is."""

_DOCTYPE: Final = re.compile(r"\s*<!doctype\b", re.IGNORECASE)
_HTML: Final = re.compile(r"<html\b[^>]*>", re.IGNORECASE)
_HEAD: Final = re.compile(r"<head\b[^>]*>", re.IGNORECASE)
_BODY: Final = re.compile(r"<body\b[^>]*>", re.IGNORECASE)
_TITLE: Final = re.compile(r"<title\b[^>]*>\s*(</title\s*>)?", re.IGNORECASE)
_STYLE: Final = re.compile(r"<style\b", re.IGNORECASE)
_HIDDEN: Final = (
    "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all"
)
_NOTICE: Final = "background:#fff3bf;color:#5c3c00;font:bold 14px/20px sans-serif;padding:12px 16px;text-align:left"
_FILLER: Final = "&#847;&zwnj;&nbsp;"
_FILLERS: Final = 20
"""How many stand on a line, so that mail can carry it as it is."""
_PREVIEW: Final = 120
"""About how many characters mailboxes show beside a subject; fillers keep the message's first words out of it."""
_SCHEMES: Final = (
    '<meta name="color-scheme" content="light dark">',
    '<meta name="supported-color-schemes" content="light dark">',
)
_PLAIN: Final = mrml.RenderOptions(fonts={})
"""No web fonts: a mail must not call a third party when it is opened."""
_INLINER: Final = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False)
"""Rules stay beside what they set: media queries and ``:hover`` have no place in an attribute."""
_MIRRORED: Final = (
    '<mj-attributes><mj-text align="right" /><mj-table align="right" /><mj-section direction="rtl" />'
    '<mj-column direction="rtl" /><mj-group direction="rtl" /></mj-attributes>'
)
"""What MJML aligns to the left unless told otherwise; whatever the template says itself comes after it and counts."""


class BadMarkup(ValueError):
    """The MJML compiler, or the reader of styles, refuses the markup."""


def is_right_to_left(locale: str) -> bool:
    """Say whether a locale is written from right to left."""
    language, *rest = locale.replace("_", "-").lower().split("-")
    script = next((part for part in rest if len(part) == len("arab")), "")
    return script in _RIGHT_TO_LEFT_SCRIPTS if script else language in RIGHT_TO_LEFT


def sendable(text: str) -> str:
    """Return the text without characters that no message may hold."""
    if text.isprintable():
        return text
    try:
        raw = text.encode()
    except UnicodeEncodeError:  # half of a pair
        return _UNSENDABLE.sub("", text)
    # Ten times as quick as looking at each character; what the first two bytes of U+FFFE and U+FFFF begin is rare.
    if len(raw.translate(None, _CONTROLS)) == len(raw) and b"\xef\xbf" not in raw:
        return text
    return _UNSENDABLE.sub("", text)


def compile_mjml(text: str, *, right_to_left: bool = False) -> str:
    """Return the HTML of MJML, its styles inlined; raise BadMarkup with the compiler's words."""
    if right_to_left:
        text = _mirrored(text)
    start = text.find("<mj-head")
    end = text.find("</mj-head>", start) + 1
    if end > 0:
        text = text[:start] + _HEAD_BLANKS.sub(">\n", text[start:end]) + text[end:]
    text = _spelt_out(text)
    try:
        html = str(mrml.to_html(text, None, _PLAIN).content)
    except OSError as error:
        raise BadMarkup(str(error).replace(" in root template", "")) from error
    except BaseException as error:
        # The compiler panics, which is no Exception, over some texts that are not ASCII and have a bare > in them.
        if type(error).__name__ == "PanicException":
            raise BadMarkup("the compiler gave up; write every bare > as &gt;") from error
        raise
    if right_to_left:  # a column aligns what has no alignment of its own, such as the cells of a table
        html = html.replace("text-align:left;direction:rtl", "text-align:right;direction:rtl")
    return _OPENED.sub(r"<\1\n", html)


def _spelt_out(text: str) -> str:
    """Return MJML whose attributes, below the head, spell out by number what mrml would write as Rust does.

    Of the vowel signs of Hindi, of joiners, line breaks and backslashes it makes what Rust's debugging does: u{94d}.
    """
    head = max(0, text.find("</mj-head>"))
    return text[:head] + _TAG.sub(_tag_spelt_out, text[head:])


def _tag_spelt_out(tag: re.Match[str]) -> str:
    if _ODD.search(tag[0]) is None:
        return tag[0]
    return _QUOTED.sub(lambda value: _ODD.sub(lambda odd: f"&#{ord(odd[0])};", value[0]), tag[0])


def _mirrored(text: str) -> str:
    opened = re.search(r"<mj-head\s*>|<mj-head\s*/>|<mjml\b[^>]*>", text)
    if opened is None:
        return text
    if opened[0].startswith("<mj-head") and not opened[0].endswith("/>"):
        return text[: opened.end()] + _MIRRORED + text[opened.end() :]
    rest = text[opened.end() :]
    head = f"<mj-head>{_MIRRORED}</mj-head>"
    if opened[0].startswith("<mjml"):
        found = re.search(r"<mj-head\s*/?>", rest)
        return text[: opened.end()] + _mirrored(rest) if found else text[: opened.end()] + head + rest
    return text[: opened.start()] + head + rest


def inline_styles(html: str) -> str:
    """Return HTML whose rules in ``<style>`` are written to the elements too; without such, as it is."""
    if not _STYLE.search(html):
        return html
    try:
        return _INLINER.inline(html)
    except (css_inline.InlineError, ValueError) as error:
        raise BadMarkup(str(error)) from error


def finish(html: str, *, subject: str, preheader: str, locale: str) -> str:
    """Return a whole document, with language, direction, title, dark mode and preheader where it leaves them open."""
    html, opened = framed(html, title=title_of(subject), locale=locale)
    return html[:opened] + preview(preheader) + html[opened:]


def framed(html: str, *, title: str, locale: str) -> tuple[str, int]:
    """Return the document without a preheader, and where that goes; ``title`` is the element."""
    direction = "rtl" if is_right_to_left(locale) else "ltr"
    language = f'lang="{escape(locale)}" dir="{direction}"'
    html = html.replace('lang="und" dir="auto"', language, 2)
    html = _document(html, language)
    html = _with_head(html, title)
    body = _BODY.search(html)
    return html, body.end() if body else 0


def title_of(subject: str) -> str:
    """Return the element by which a page is called."""
    return f"<title>{escape(subject)}</title>"


def preview(preheader: str) -> str:
    """Return the element that mailboxes show beside the subject, nothing for an empty preheader."""
    if not preheader:
        return ""
    lines, rest = divmod(max(0, _PREVIEW - len(preheader)), _FILLERS)
    filler = ("\n" + _FILLER * _FILLERS) * lines + "\n" + _FILLER * rest
    return f'<div style="{_HIDDEN}">{escape(preheader)}{filler}</div>'


def announce(html: str, notice: str) -> str:
    """Return a finished document with a line of text that is seen before all else; the preheader stays the first."""
    body = _BODY.search(html)
    end = body.end() if body else 0
    if html.startswith(f'<div style="{_HIDDEN}">', end):
        end = html.index("</div>", end) + len("</div>")
    line = f'<div lang="en" dir="ltr" style="{_NOTICE}">{escape(notice)}</div>'
    return html[:end] + line + html[end:]


def _document(html: str, language: str) -> str:
    """Return HTML that has its outermost elements, the first with the language."""
    opened = _HTML.search(html)
    if opened is None:
        inside = html.strip()
        body = inside if _BODY.search(inside) else f"<body>\n{inside}\n</body>"
        head = "" if _HEAD.search(inside) else '<head><meta charset="utf-8"></head>'
        return f"<!doctype html>\n<html {language}>{head}{body}</html>\n"
    tag = opened[0]
    for attribute in language.split(" "):
        if not re.search(rf"\s{attribute.partition('=')[0]}\s*=", tag, re.IGNORECASE):
            tag = f"{tag[:-1]} {attribute}>"
    html = html[: opened.start()] + tag + html[opened.end() :]
    return html if _DOCTYPE.match(html) else f"<!doctype html>\n{html}"


def _with_head(html: str, title: str) -> str:
    head = _HEAD.search(html)
    if head is None:
        opened = _HTML.search(html)
        end = opened.end() if opened else 0
        html = f"{html[:end]}<head></head>{html[end:]}"
        head = _HEAD.search(html, end)
    position = head.end() if head else 0
    titled = _TITLE.search(html, position)
    # Both names of the scheme: Apple Mail reads the one, older versions of it the other.
    added = "".join(meta for meta in _SCHEMES if meta.split('"')[1] not in html.partition("<body")[0])
    if titled is None:
        added += title
    elif titled[1]:
        html = html[: titled.start()] + title + html[titled.end() :]
    return html[:position] + added + html[position:]
