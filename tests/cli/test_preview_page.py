"""The page of ``tidings preview --html``, in a real browser: it shows the messages, and nothing of theirs runs."""

import json
from html.parser import HTMLParser
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from browser_kit import needs_browser
from chromium_kit import colours_of, document_of
from preview_kit import APP, EVIL, event_file, hostile_rulebook
from tidings.cli.preview_page import page
from tidings.gateway.v1 import rule_service_pb2 as pb

GREEN, RED, BLUE = (0, 160, 0), (255, 0, 0), (0, 0, 255)
RUNS = "document.body.style.background = 'rgb(255, 0, 0)'; document.title = 'it ran'; top.document.title = 'it ran'"
HOSTILE = f"""<!doctype html><html><body style="background: rgb(0, 160, 0)">
<script>{RUNS}</script><img src="x" onerror="{RUNS}"></body></html>"""
DARK = """<!doctype html><html><head><meta name="color-scheme" content="light dark"><style>
@media (prefers-color-scheme: dark) { body { background: rgb(0, 0, 255) } }</style></head><body></body></html>"""


class Outline(HTMLParser):
    """The elements of a page, and what its frames hold."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.frames: list[dict[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        if tag == "iframe":
            self.frames.append(dict(attrs))


def of_email(html: str) -> pb.PreviewResponse:
    email = pb.PreviewedEmail(subject=EVIL, text=EVIL, html=html)
    return pb.PreviewResponse(messages=[pb.PreviewedMessage(rule_id="r", recipient="customer:1", email=email)])


def written(folder: Path, text: str) -> Path:
    file = folder / "page.html"
    file.write_text(text, encoding="utf-8")
    return file


def preview_of(folder: Path) -> tuple[Path, Result]:
    rules, event, file = hostile_rulebook(folder / "rules"), event_file(folder, EVIL), folder / "page.html"
    arguments = [str(rules), str(event), "--email", "asha@example.com", "--name", EVIL, "--html", str(file)]
    return file, CliRunner().invoke(APP, arguments)


def test_a_frame_holds_its_message_whole_and_the_page_holds_nothing_of_it() -> None:
    html = f'<html><body title="&quot;">{EVIL}&amp;</body></html>'
    outline = Outline(page(of_email(html), what=EVIL))
    assert [(each["sandbox"], each["srcdoc"]) for each in outline.frames] == [("", html)]
    assert not {"script", "img", "svg", "link"}.intersection(outline.elements)


@pytest.mark.long
@needs_browser
def test_without_the_frame_it_would_have_run(tmp_path: Path) -> None:
    file = written(tmp_path, HOSTILE)
    assert "<title>it ran</title>" in document_of(file)
    assert colours_of(file)[RED] > 100_000


@pytest.mark.long
@needs_browser
def test_a_frame_shows_its_message_and_no_script_of_it_runs(tmp_path: Path) -> None:
    file = written(tmp_path, page(of_email(HOSTILE), what="an event"))
    assert "<title>an event</title>" in document_of(file)
    colours = colours_of(file)
    assert colours[GREEN] > 100_000
    assert colours[RED] == 0


@pytest.mark.long
@needs_browser
def test_the_dark_switch_gives_the_message_its_dark_look(tmp_path: Path) -> None:
    light = page(of_email(DARK), what="an event")
    assert colours_of(written(tmp_path, light))[BLUE] == 0
    dark = light.replace('id="dark"', 'id="dark" checked')
    assert colours_of(written(tmp_path, dark))[BLUE] > 100_000


@pytest.mark.long
@needs_browser
def test_the_width_switch_sets_the_width(tmp_path: Path) -> None:
    usual = page(of_email(HOSTILE), what="an event")
    narrow = usual.replace('id="w600" checked', 'id="w600"').replace('id="w320"', 'id="w320" checked')
    wide, slim = (colours_of(written(tmp_path, each), size=(800, 600))[GREEN] for each in (usual, narrow))
    assert 0.5 < slim / wide < 0.56


@pytest.mark.long
@needs_browser
def test_a_script_in_an_events_data_is_shown_as_text(tmp_path: Path) -> None:
    file, result = preview_of(tmp_path)
    assert result.exit_code == 0, result.output
    document = document_of(file)
    outline = Outline(document)
    assert "it ran" not in document.partition("</title>")[0]
    assert "script" not in outline.elements
    (frame,) = outline.frames
    assert "&lt;script&gt;" in str(frame["srcdoc"])
    assert "<script" not in str(frame["srcdoc"])
    colours = colours_of(file)
    assert colours[GREEN] > 100_000
    assert colours[RED] == 0


def test_the_hostile_event_reaches_the_webhook_as_it_is(tmp_path: Path) -> None:
    rules, event = hostile_rulebook(tmp_path / "rules"), event_file(tmp_path, EVIL)
    result = CliRunner().invoke(APP, [str(rules), str(event), "--format", "json"])
    webhook = next(each["webhook"] for each in json.loads(result.stdout)["messages"] if "webhook" in each)
    assert json.loads(webhook["body"])["data"]["customerIdentifiers"]["instore"]["externalId"] == EVIL
