"""Shared pieces of templates, in the language of the message."""

import pytest

from render_kit import HEAD, compiled, inside, problems_of


def test_a_message_includes_the_version_of_its_language() -> None:
    foot = "_partials/foot.txt"
    templates = compiled(
        {
            **{f"a.{locale}.txt": HEAD + f"{{% include '{foot}' %}}" for locale in ("en", "ar", "ar-AE", "de")},
            foot: "any, {% include '_partials/name.txt' %}",
            "_partials/foot.ar.txt": "ar, {% include '_partials/name.txt' %}",
            "_partials/name.en.txt": "english",
            "_partials/name.ar-AE.txt": "emirati",
        }
    )
    made = {each: templates.render("a", locales=[each], context={}).text for each in ("en", "ar", "ar-AE", "de")}
    assert made == {"en": "any, english\n", "ar": "ar, english\n", "ar-AE": "ar, emirati\n", "de": "any, english\n"}


@pytest.mark.parametrize("kind", ["mjml", "html"])
def test_macros_come_in_the_language_of_the_message_too(kind: str) -> None:
    text = "{% import '_partials/words.html' as words %}<p>{{ words.greet(brand.name) }}</p>"
    if kind == "mjml":
        text = (
            f"<mjml><mj-body><mj-section><mj-column><mj-text>{text}</mj-text></mj-column></mj-section></mj-body></mjml>"
        )
    templates = compiled(
        {
            **{f"a.{locale}.{kind}": HEAD + text for locale in ("en", "de")},
            "_partials/words.html": "{% macro greet(name) %}Hello {{ name }}{% endmacro %}",
            "_partials/words.de.html": "{% macro greet(name) %}Hallo {{ name }}{% endmacro %}",
        }
    )
    made = [templates.render("a", locales=[each], context={"brand": {"name": "X"}}).text for each in ("en", "de")]
    assert made == ["Hello X\n", "Hallo X\n"]


def test_a_partial_in_one_language_alone_cannot_be_included() -> None:
    files = {"a.en.txt": HEAD + "{% include '_partials/foot.txt' %}", "_partials/foot.ar.txt": "x"}
    (found,) = problems_of(files)
    assert found.startswith("templates/a.en.txt:4:13: error[unknown-partial]: there is no partial '_partials/foot.txt'")


def test_a_circle_in_one_language_alone_is_a_problem_of_that_file() -> None:
    files = {
        "a.en.txt": HEAD + "{% include '_partials/foot.txt' %}",
        "a.ar.txt": HEAD + "{% include '_partials/foot.txt' %}",
        "_partials/foot.txt": "x",
        "_partials/foot.ar.txt": "{% include '_partials/foot.txt' %}",
    }
    assert problems_of(files) == [
        (
            "templates/_partials/foot.ar.txt:1:1: error[include-circle]: _partials/foot.ar.txt includes itself"
            " (break the circle)"
        )
    ]


def test_a_partial_that_does_not_compile_in_one_language_is_found_there() -> None:
    mail = HEAD + "<mjml><mj-body>{% include '_partials/foot.mjml' %}</mj-body></mjml>"
    files = {"a.en.mjml": mail, "a.ar.mjml": mail, "_partials/foot.mjml": "<mj-section></mj-section>"}
    files["_partials/foot.ar.mjml"] = "<mj-section a=5></mj-section>"
    assert [each.split(" ")[0] for each in problems_of(files)] == ["templates/a.ar.mjml:4:1:"]


def test_html_is_completed_with_language_direction_and_dark_mode() -> None:
    templates = compiled({"a.en.html": HEAD + "<p>x</p>", "a.fa.html": HEAD + "<html><body><p>x</p></body></html>"})
    made = [templates.render("a", locales=[each], context={}).html or "" for each in ("en", "fa")]
    assert [inside(made[0]), made[1].count("<p>x</p>")] == ["<p>x</p>\n", 1]
    for html, language in zip(made, ('lang="en" dir="ltr"', 'lang="fa" dir="rtl"'), strict=True):
        assert html.startswith(f"<!doctype html>\n<html {language}><head>")
        assert [html.count(f'name="{name}"') for name in ("color-scheme", "supported-color-schemes")] == [1, 1]
        assert html.count("<title>Hello</title>") == 1


def test_what_a_template_says_of_language_and_dark_mode_stands() -> None:
    html = '<!DOCTYPE html><html lang="en-GB" dir="auto"><head><title>Mine</title>'
    html += '<meta name="color-scheme" content="only light"></head><body><p>x</p></body></html>'
    made = compiled({"a.en.html": HEAD + html}).render("a", locales=[], context={}).html or ""
    assert '<html lang="en-GB" dir="auto">' in made
    assert "<title>Mine</title>" in made
    assert made.count('"color-scheme"') == 1


def test_styles_of_html_are_inlined_and_media_queries_stay() -> None:
    css = (
        "p { color: #112233 } .pre { display: none } a:hover { color: red } @media (max-width: 9px) { p { margin: 0 } }"
    )
    text = f"<html><head><style>{css}</style></head><body><span class='pre'>hidden</span>"
    text += "<p>{{ data.x }}</p></body></html>"
    made = compiled({"a.en.html": HEAD + text}).render("a", locales=[], context={"data": {"x": "<&>"}})
    html = made.html or ""
    assert '<p style="color: #112233;">&lt;&amp;&gt;</p>' in html
    assert [each in html for each in ("@media (max-width: 9px)", "a:hover", "<!doctype html>")] == [True] * 3
    assert made.text == "<&>\n"


MIRRORED = """<mjml>{head}<mj-body><mj-section><mj-column><mj-text>x</mj-text><mj-text align="left">y</mj-text>
<mj-table><tr><td>1</td></tr></mj-table></mj-column></mj-section></mj-body></mjml>"""


@pytest.mark.parametrize(
    "head", ["", "<mj-head />", "<mj-head><mj-title>T</mj-title></mj-head>", "<mj-head></mj-head>"]
)
def test_mjml_is_mirrored_for_right_to_left_languages(head: str) -> None:
    mail = HEAD + MIRRORED.replace("{head}", head)
    templates = compiled({f"a.{locale}.mjml": mail for locale in ("en", "ar", "he", "fa", "ur", "az-Arab")})
    english = templates.render("a", locales=["en"], context={}).html or ""
    assert (english.count("direction:rtl"), english.count("text-align:right")) == (0, 0)
    for locale in ("ar", "he", "fa", "ur", "az-Arab"):
        html = templates.render("a", locales=[locale], context={}).html or ""
        assert html.count(f'lang="{locale}" dir="rtl"') == 2
        assert html.count("direction:ltr") == 0
        # The first text and the column turn; what says left stays left.
        assert (html.count("text-align:right"), html.count("text-align:left")) == (2, 1)
