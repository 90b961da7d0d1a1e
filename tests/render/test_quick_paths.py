"""What is quick gives the bytes of what is thorough: MJML compiled by its skeleton, text read without a parser."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tidings.events import convert, native_view, samples
from tidings.links import Reader, sample_links
from tidings.model import Contact
from tidings.render import Rendered, hazards, plaintext, scanning, text_of
from tidings.render.finishing import BadMarkup, compile_mjml, finish, sendable
from tidings.render.skeleton import Draft, _planned
from tidings.rulebook import Rulebook, load, read_folder
from tidings.rulebook.compose import template_context
from tidings.rules import EmailAction

RULES = Path(__file__).parents[2] / "rules"
READERS = ["en-GB", "en-US", "de-AT", "ar-AE"]
NAMES = ["Asha Rao", 'O\'Neil & <b>"Söhne"</b> ]]>', "अनन्या \u200c शर्मा", "أحمد", "~tidings~0~", "a < b > c\\"]


@pytest.fixture(scope="module")
def shipped() -> Rulebook:
    return load(read_folder(RULES), rehearse=False)


def messages(rulebook: Rulebook) -> list[Rendered]:
    """Return every shipped message on every sample of its event, for readers of several languages and names."""
    made = []
    brand = next(iter(rulebook.rules.brands.values()))
    links = sample_links(Reader(org_id=1, customer_id="1"), address="asha@example.com")
    for rule in rulebook.rules.rules:
        views = [
            native_view(each.event)
            for name in rule.events
            for payload in samples(name)
            for each in convert(payload, org_id=1).events
        ]
        for turn, view in enumerate(views):
            for number, reader in enumerate(READERS):
                who = Contact(org_id=1, customer_id="1", name=NAMES[(turn + number) % len(NAMES)], locale=reader)
                context = template_context(view, brand, who, links)
                made += [
                    rulebook.templates.render(action.template, locales=[reader], context=context)
                    for action in rule.actions
                    if isinstance(action, EmailAction)
                ]
    return made


def test_every_shipped_message_is_the_same_made_quickly_or_thoroughly(
    shipped: Rulebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = messages(shipped)
    monkeypatch.setattr(Draft, "_plan", lambda _: None)
    monkeypatch.setattr(plaintext, "_read", plaintext._parsed)
    assert len(quick) >= 100
    assert quick == messages(shipped)


WORDS = st.text(
    st.sampled_from(list("ab &;\"'<>]=/\\\t\n~é\u200c\u094d\xa0-!")) | st.characters(codec="utf-8"), max_size=12
)
MESSAGE = (
    '<mjml><mj-head><mj-title>{0}</mj-title></mj-head><mj-body><mj-section><mj-column><mj-text>{1}<a href="{2}">{3}</a>'
    '</mj-text><mj-button href="{2}">{1}</mj-button><mj-table><tr><td title="{4}">{3}</td></tr></mj-table>'
    "<mj-raw><!-- {5} --><p>{1}</p></mj-raw></mj-column></mj-section></mj-body></mjml>"
)


def quickly(markup: str) -> tuple[str, str]:
    draft = Draft(markup, locale="en")
    return draft.html(subject="a <b>", preheader="words"), draft.text()


def thoroughly(markup: str) -> tuple[str, str]:
    return finish(compile_mjml(markup), subject="a <b>", preheader="words", locale="en"), text_of(markup)


def outcome(make: Callable[[str], tuple[str, str]], markup: str) -> tuple[str, str]:
    try:
        return make(markup)
    except BadMarkup as error:
        return f"refused: {error}", ""


@given(st.tuples(*[WORDS] * 6))
@example(("", "]]>", "https://e.com/?a=1&b=2", "&nbsp;", "", ""))
@example(("", "~tidings~1~", "~tidings~0~", "x", "~tidings~2~", ""))
@settings(max_examples=150, deadline=None)
def test_mjml_compiled_by_its_skeleton_is_what_it_is_otherwise(words: tuple[str, ...]) -> None:
    markup = sendable(MESSAGE.format(*words))
    assert outcome(quickly, markup) == outcome(thoroughly, markup)


LINKING = (
    '<mjml><mj-head /><mj-body><mj-section><mj-column><mj-text><a href="{0}">{1}</a></mj-text><mj-button href="{2}">{3}'
    "</mj-button><mj-text>{4}</mj-text></mj-column></mj-section></mj-body></mjml>"
)
HERE, THERE = "https://e.com/?a=1&amp;b=2", "https://www.e.com/there/"


@pytest.mark.parametrize(
    "words",
    [
        (HERE, "Go", THERE, "Go", "words"),
        (HERE, HERE, THERE, "e.com/there", "words"),
        ("#top", "Up", "mailto:a@e.com?subject=x", "a@e.com", "words"),
        (HERE, "&nbsp;", HERE, "&#8203;", "words"),
        (HERE, "", HERE, "\n", "words"),
        ("https://e.com/a&#10;b", "Go", "tel:+441", "Call\n  us", "a&#x85; b &amp;nbsp; c"),
        (HERE, "Go", THERE, "Go", "<pre>\n a  b</pre>"),
        (HERE, "Go", THERE, "Go", "<table><tr><th>a</th><th>b</th></tr><tr><td>words</td><td>2</td></tr></table>"),
    ],
)
def test_plain_text_filled_in_is_what_is_read_anew_whether_links_are_told_or_not(words: tuple[str, ...]) -> None:
    """Each set of words after one that shares its skeleton, and as the first."""
    other = ("https://o.com/1", "Other", "https://o.com/2", "Other", *words[4:])
    for first, second in ((other, words), (words, other)):
        _planned.cache_clear()
        made = [(quickly(each), thoroughly(each)) for each in (LINKING.format(*first), LINKING.format(*second))]
        assert [quick for quick, _ in made] == [thorough for _, thorough in made]


def test_lines_of_mjml_fit_mail_as_they_are() -> None:
    """Unless one paragraph is too long by itself, or is not ASCII."""
    html, _ = quickly(LINKING.format(HERE, "Go", THERE, "Go", "words " * 100))
    assert max(map(len, html.split("\n"))) <= 998


PIECES = st.sampled_from([
    "<p>", "</p>", "<b>", "</b >", "<br/>", "<br>", "<td>", "<tr>", "<table>", "</table>", "<ul>", "<li>", "</ul>",
    '<ol start="3">', '<a href="https://e.com/?a=1&amp;b=2">', "</a>", '<div style="display:none">', "</div>",
    '<DIV  HIDDEN="">', '<img alt="a &gt; b" />', "<mj-text>", "</mj-text>", "<p hidden>", "<!-- <b> -->", "<pre>",
    "<p style='display:none'>", "<script>", "</script>", "<style>", "<title>", "<![endif]>", "</pre>", "&amp;", "&lt",
    "&#65;", "&", "<", ">", "words", "\n", "a  b", "x" * 90, '<p title=" style=" alt="b">', '<p a="1"b="2">', "</>",
    "<é>", "\u200b", "</p x>", "<section/>",
])  # fmt: skip


@given(st.lists(PIECES | WORDS, max_size=14).map("".join))
@settings(max_examples=250, deadline=None)
def test_plain_text_read_without_a_parser_is_what_a_parser_reads(markup: str) -> None:
    assert plaintext._read(markup).text() == plaintext._parsed(markup).text()


@given(st.lists(st.text("abcd-é漢", min_size=1, max_size=40), min_size=1, max_size=40).map(" ".join))
@example("a- - -" + " a-" * 40)
@settings(max_examples=100, deadline=None)
def test_lines_break_where_textwrap_breaks_them(words: str) -> None:
    assume(not words.startswith("- "))  # reads as an item of a list, whose lines hang
    broken = textwrap.fill(words, 78, break_long_words=False, break_on_hyphens=False)
    assert text_of(f"<p>{words}</p>") == broken + "\n"


def test_what_the_compiler_would_write_as_rust_does_is_spelt_out() -> None:
    """mrml 0.2 writes attributes by Rust's rules for debugging: ``\\u{94d}``."""
    name = "हिन्दी\u200c\xa0\\\n"
    html = compile_mjml(MESSAGE.format("", name, "https://e.com/é", "x", name, ""))
    spelt = "".join(f"&#{ord(each)};" for each in name)
    assert f'<td\ntitle="{spelt}">' in html
    assert "\\u{" not in html
    assert name in html


PAGES = st.sampled_from([
    "<!doctype html>", "<html>", '<style type="text/css">a{b:c}</style>', "<!--[if mso]><b onclick=''><![endif]-->",
    "<title>x</title>", "<!-- a -- b -->", "<!--[if !mso]><!-->", '<p onclick="x">', '<a href="java&#10;script:x">',
    '<a HREF="https://e.com">', '<b style="a:expr ession(1)">', '<img src=" data:x" alt="a">', "<script>", "</script>",
    "<iframe/>", "<b on=1>", "<", ">", "</b>", "<style>", "text on=", '<a href="//e.com/a:b">', "<p title='>'>",
    '<a href="mailto:a@b">', '<b style="-moz-binding:url(x)">',
])  # fmt: skip


@given(st.lists(PAGES | WORDS, max_size=10).map("".join))
@settings(max_examples=250, deadline=None)
def test_hazards_found_without_a_parser_are_those_that_a_parser_finds(html: str) -> None:
    parser = scanning._Scanner()
    parser.feed(html)
    parser.close()
    assert list(hazards(html)) == list(dict.fromkeys(parser.found))


def test_what_makes_the_compiler_give_up_is_bad_markup() -> None:
    with pytest.raises(BadMarkup, match="gave up"):
        compile_mjml(MESSAGE.format("", "°\U000f897a>", "", "", "", ""))
