"""A preview as one page for a browser.

What a message holds is not to be trusted, for it comes from an event. So the page has no script at all: switches are
plain radio buttons, each message stands in a sandboxed frame, and a policy that the frames inherit forbids scripts,
forms, plug-ins and every load but that of pictures over https.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

from tidings.cli.preview_text import body, facts, heading, silent_rules, title
from tidings.gateway.v1 import rule_service_pb2 as pb

WIDTHS: Final = (320, 600, 1200)
"""Widths of a frame, pixels: a telephone, the body of most e-mails, a desktop."""

_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; form-action 'none'"
_STYLE: Final = """
:root { color-scheme: light; font: 15px/1.5 system-ui, sans-serif; color: #222; background: #f4f4f7 }
body { margin: 0 auto; padding: 16px 24px; max-width: 1280px }
h1 { font-size: 20px } h2 { font-size: 17px; margin: 0 0 8px }
fieldset { display: inline-block; border: 1px solid #ccc; border-radius: 6px; margin: 0 8px 16px 0; background: #fff }
article { background: #fff; border: 1px solid #ddd; border-radius: 8px; padding: 16px; margin: 0 0 24px }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 16px; margin: 0 0 12px }
dt { color: #666 } dd { margin: 0; overflow-wrap: anywhere } .problem { color: #a40000; font-weight: bold }
pre { background: #f4f4f7; padding: 12px; overflow-x: auto; white-space: pre-wrap; overflow-wrap: anywhere }
.stage { overflow-x: auto; background: #e4e4ea; padding: 12px }
iframe { display: block; margin: 0 auto; border: 0; background: #fff; height: 720px; width: 600px }
body:has(#dark:checked) iframe { color-scheme: dark; background: #121212 }
"""


def page(response: pb.PreviewResponse, *, what: str) -> str:
    """Return the whole page; it needs nothing beside itself, and ``what`` names the event."""
    parts = (
        _head(what),
        f"<body>\n<h1>{escape(heading(response, what=what))}</h1>\n",
        *_switches(),
        *(_article(number, message) for number, message in enumerate(response.messages, 1)),
        *_ending(response),
        "</body>\n</html>\n",
    )
    return "".join(parts)


def _head(what: str) -> str:
    widths = "".join(f"body:has(#w{width}:checked) iframe {{ width: {width}px }}\n" for width in WIDTHS)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">
<meta name="viewport" content="width=device-width">
<title>{escape(what)}</title>
<style>{_STYLE}{widths}</style>
</head>
"""


def _switches() -> Iterator[str]:
    yield "<fieldset><legend>Width</legend>"
    for width in WIDTHS:
        checked = " checked" if width == 600 else ""  # noqa: PLR2004 (the body of most e-mails)
        yield f'<label><input type="radio" name="width" id="w{width}"{checked}> {width}</label> '
    yield "</fieldset>\n<fieldset><legend>Mode</legend>"
    yield '<label><input type="radio" name="mode" id="light" checked> light</label> '
    yield '<label><input type="radio" name="mode" id="dark"> dark</label></fieldset>\n'


def _article(number: int, message: pb.PreviewedMessage) -> str:
    rows = "".join(_row(name, value) for name, value in facts(message))
    parts = [f'<article id="message-{number}">\n<h2>{escape(title(message))}</h2>\n<dl>{rows}</dl>\n']
    text = f'<pre dir="auto">{escape(body(message))}</pre>'
    if message.email.HasField("html"):
        frame = f'<iframe sandbox="" title="message {number}" srcdoc="{escape(message.email.html)}"></iframe>'
        parts.append(f'<div class="stage">{frame}</div>\n<details><summary>Plain text</summary>{text}</details>\n')
    elif message.WhichOneof("content"):
        parts.append(f"{text}\n")
    return "".join((*parts, "</article>\n"))


def _row(name: str, value: str) -> str:
    mark = ' class="problem"' if name == "Not sent" else ""
    return f'<dt>{escape(name)}</dt><dd{mark} dir="auto">{escape(value)}</dd>'


def _ending(response: pb.PreviewResponse) -> Iterator[str]:
    if not response.messages:
        yield "<p><strong>Nothing would go out.</strong></p>\n"
    if response.omitted_messages:
        yield f"<p>{response.omitted_messages} more messages did not fit into the gateway's answer.</p>\n"
    reasons = "".join(f"<li>{escape(line)}</li>" for line in silent_rules(response))
    if reasons:
        yield f"<ul>{reasons}</ul>\n"
