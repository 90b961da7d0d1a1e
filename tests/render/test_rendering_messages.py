from typing import Any

import pytest

from render_kit import HEAD, body, compiled, inside, rendered
from tidings.render import Rendered, RenderError

EVENT: dict[str, Any] = {
    "eventName": "pointsExpiryReminder",
    "orgId": 50750,
    "refId": None,
    "data": {
        "points": 300,
        "none": None,
        "items": [{"name": "Tea", "n": 1}, {"name": "Cake", "n": 2}],
        "tiers": [{"tierNumber": 1, "tierName": "silver"}, {"tierNumber": 2, "tierName": "GOLD"}],
    },
    "brand": {"name": "Example Rewards", "org": 50750},
    "contact": {"name": "Asha", "email": "asha@example.com"},
}

MAIL = """\
---
subject: "{{ data.points | number }} points & more"
preheader: For {{ contact.name }} of {{ brand.name }}
---
<html><head><title></title></head><body>
<h1>Hello {{ contact.name }}</h1>
<p>You have <b>{{ data.points }}</b> points. <a href="https://example.com/?a=1&amp;b={{ data.points }}">Use them</a></p>
</body></html>
"""


def test_a_whole_html_message_has_subject_preheader_text_and_html() -> None:
    hidden = (
        "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0;overflow:hidden;mso-hide:all"
    )
    filler = "\n".join(["", *["&#847;&zwnj;&nbsp;" * each for each in (20, 20, 20, 20, 13)]])
    dark = '<meta name="color-scheme" content="light dark"><meta name="supported-color-schemes" content="light dark">'
    assert rendered(MAIL, "html", **EVENT) == Rendered(
        subject="300 points & more",
        preheader="For Asha of Example Rewards",
        text="Hello Asha\n\nYou have 300 points. Use them (https://example.com/?a=1&b=300)\n",
        html="<!doctype html>\n"
        f'<html lang="en" dir="ltr"><head>{dark}<title>300 points &amp; more</title></head><body>'
        f'<div style="{hidden}">For Asha of Example Rewards{filler}</div>\n'
        "<h1>Hello Asha</h1>\n"
        '<p>You have <b>300</b> points. <a href="https://example.com/?a=1&amp;b=300">Use them</a></p>\n'
        "</body></html>\n",
        locale="en",
    )


def test_a_text_template_alone_makes_a_plain_text_message() -> None:
    text = "---\nsubject: Hi\n---\n\nDear {{ contact.name }},\n"
    text += "{% for item in data.items %}\n- {{ item.name }}\n{% endfor %}"
    assert rendered(text, **EVENT) == Rendered(
        subject="Hi", preheader="", text="Dear Asha,\n- Tea\n- Cake\n", html=None, locale="en"
    )


@pytest.mark.parametrize(
    "files",
    [
        pytest.param({"a.en.html": HEAD + "<p>x</p>", "a.en.txt": "Text of {{ data.points }} & <b>"}, id="file beside"),
        pytest.param(
            {"a.en.html": "---\nsubject: Hello\ntext: Text of {{ data.points }} & <b>\n---\n<p>x</p>"},
            id="front matter",
        ),
    ],
)
def test_a_given_text_part_replaces_the_one_made_from_markup(files: dict[str, str]) -> None:
    made = compiled(files).render("a", locales=["en"], context=EVENT)
    assert (made.text, inside(made.html or "")) == ("Text of 300 & <b>\n", "<p>x</p>\n")


MJML = """\
---
subject: Cart
preheader: Soon
---
<mjml>
  <mj-head><mj-title></mj-title></mj-head>
  <mj-body>
    <mj-section>
      <mj-column>
        {% for item in data.items %}
        <mj-text color="{{ item.name }}">{{ loop.index }}. {{ item.name }}</mj-text>
        {% else %}
        <mj-text>Nothing</mj-text>
        {% endfor %}
        {% if data.missing %}<mj-text>Never</mj-text>{% endif %}
        <mj-button href="{{ data.link | default("https://example.com/") | url }}">Go</mj-button>
      </mj-column>
    </mj-section>
  </mj-body>
</mjml>
"""


def test_loops_and_conditions_stand_round_mjml_elements() -> None:
    made = rendered(MJML, "mjml", **EVENT)
    html = made.html or ""
    assert made.text == "1. Tea\n\n2. Cake\n\nGo (https://example.com/)\n"
    assert [html.count(each) for each in ("color:Tea;", "color:Cake;", "Never", "<script", "fonts.googleapis")] == [
        1, 1, 0, 0, 0,
    ]  # fmt: skip
    assert html.startswith('<!doctype html><html lang="en" dir="ltr"')
    assert "<title>Cart</title>" in html


@pytest.mark.parametrize(
    ("wanted", "got"),
    [
        (["en-GB", "en"], "en-GB"),
        (["en-US", "ar", "en"], "en"),
        (["ar-AE", "en"], "ar"),
        (["AR_ae"], "ar"),
        (["fr", "de-CH"], "en"),
        (["fr", "ar"], "ar"),
        (["zh-Hant-TW"], "zh-Hant"),
        ([], "en"),
    ],
)
def test_the_first_locale_of_the_chain_that_exists_is_chosen(wanted: list[str], got: str) -> None:
    templates = compiled({f"a.{locale}.txt": HEAD + locale for locale in ("en", "en-GB", "ar", "zh-Hant")})
    made = templates.render("a", locales=wanted, context={})
    assert (made.locale, made.text) == (got, f"{got}\n")


def test_a_set_knows_names_locales_and_variables() -> None:
    templates = compiled(
        {
            "a.en.html": "---\nsubject: Hi {{ contact.name }}\n---\n{% include '_partials/foot.html' %}\n"
            "{% set tiers = data.program.tiers %}"
            "{% for tier in tiers | sort(attribute='n') %}{{ tier.name }}{{ loop.index }}{% endfor %}"
            "\n{{ data.list[0].x }}",
            "a.de.txt": HEAD + "{{ orgId }}",
            "_partials/foot.html": "<p>{{ brand.name }}</p>",
        }
    )
    assert templates.names == {"a"}
    assert (templates.locales("a"), templates.locales("b")) == (("de", "en"), ())
    assert [(str(use), f"{use.file}:{use.line}:{use.column}") for use in templates.variables("a")] == [
        ("brand.name", "templates/_partials/foot.html:1:7"),
        ("orgId", "templates/a.de.txt:4:4"),
        ("contact.name", "templates/a.en.html:2:16"),
        ("data.program.tiers", "templates/a.en.html:5:8"),
        ("data.program.tiers", "templates/a.en.html:5:16"),
        ("data.program.tiers[].name", "templates/a.en.html:5:85"),
        ("data.list[].x", "templates/a.en.html:6:4"),
    ]


def test_macros_of_a_partial_see_their_arguments_and_the_event() -> None:
    templates = compiled(
        {
            "a.en.html": HEAD + "{% import '_partials/lines.html' as lines %}{{ lines.line(data.points) }}",
            "_partials/lines.html": "{% macro line(n) %}<li>{{ n }} of {{ brand.name }}</li>{% endmacro %}",
        }
    )
    html = templates.render("a", locales=[], context=EVENT).html or ""
    assert inside(html) == "<li>300 of Example Rewards</li>\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ data.absent | default('-') }}{{ data.none | default('-') }}", "--"),
        ("{{ data.a.b.c | default('-') }}{{ refId | default('-') }}", "--"),
        ("{% if data.a.b %}y{% else %}n{% endif %}{% if data.none is none %}y{% endif %}", "ny"),
        ("{% if data.a is defined %}y{% else %}n{% endif %}{{ data.a == none }}", "nTrue"),
        ("{{ (data.tiers | lookup('tierNumber', 2)).tierName }}", "GOLD"),
        ("{{ (data.tiers | lookup('tierNumber', 9)).tierName | default('none') }}", "none"),
        ("{{ (data.tiers | lookup('tierNumber', data.nope)).tierName | default('none') }}", "none"),
        ("{{ data.items | map(attribute='name') | join(', ') }} {{ data.items[1].n }}", "Tea, Cake 2"),
        ("{{ data.tiers | selectattr('tierNumber', 'gt', 1) | map(attribute='tierName') | first }}", "GOLD"),
        ("{{ data.points * 2 + 1 }} {{ data.points % 7 }} {{ 'a' ~ data.points }}", "601 6 a300"),
        ("{{ data['items'] | length }}", "2"),
    ],
)
def test_data_reads_as_fields_and_null_is_absent(text: str, expected: str) -> None:
    assert body(text, **EVENT) == expected + "\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("\n{{ data.absent }}", "templates/a.en.txt:5: absent is missing from this event"),
        ("{{ data.a.b.c }}", "templates/a.en.txt:4: a.b.c is missing from this event"),
        ("{{ refId }}", "templates/a.en.txt:4: refId is missing from this event"),
        ("\n\n{{\n  data.none | upper }}", "templates/a.en.txt:7: none is missing from this event"),
        ("{{ data.absent | number }}", "templates/a.en.txt:4: absent is missing from this event"),
        ("{{ data.absent + 1 }}", "templates/a.en.txt:4: absent is missing from this event"),
        ("{% for x in data.absent %}{% endfor %}", "templates/a.en.txt:4: absent is missing from this event"),
        ("{{ data.items }}", "templates/a.en.txt:4: the value is a list and cannot be printed; name a field of it"),
        ("{{ data }}", "templates/a.en.txt:4: the value is an object and cannot be printed; name a field of it"),
        (
            "{{ (data.tiers | lookup('tierNumber', 7)).tierName }}",
            "templates/a.en.txt:4: entry with tierNumber = 7.tier",
        ),
        ("{{ brand.name | number }}", "templates/a.en.txt:4: 'Example Rewards' is not a number"),
        ("{{ brand.name | date }}", "templates/a.en.txt:4: 'Example Rewards' is not a date"),
        (
            "{{ data.points | date(data.points) }}",
            "templates/a.en.txt:4: date knows short, medium, long, full, iso, not '300'",
        ),
        ("{{ 1 / 0 }}", "templates/a.en.txt:4: division by zero"),
    ],
)
def test_a_hole_in_a_message_is_an_error_that_names_file_line_and_field(text: str, message: str) -> None:
    with pytest.raises(RenderError) as caught:
        body(text, **EVENT)
    assert str(caught.value).startswith(message)


def test_an_error_in_a_partial_or_the_subject_names_the_file_it_stands_in() -> None:
    templates = compiled(
        {
            "a.en.html": HEAD + "{% include '_partials/foot.html' %}",
            "_partials/foot.html": "\n<p>{{ data.gone }}</p>",
            "b.en.txt": "---\npreheader: x\nsubject: >-\n  Hello\n  {{ data.gone }}\n---\n",
        }
    )
    places = []
    for name in ("a", "b"):
        with pytest.raises(RenderError) as caught:
            templates.render(name, locales=[], context={"data": {}})
        places.append((caught.value.file, caught.value.line, caught.value.detail, caught.value.reason))
    assert places == [
        ("templates/_partials/foot.html", 2, "gone is missing from this event", "TEMPLATE_FAILED"),
        ("templates/b.en.txt", 4, "gone is missing from this event", "TEMPLATE_FAILED"),
    ]


def test_an_unknown_template_is_an_error() -> None:
    with pytest.raises(RenderError, match="there is no template 'nope'"):
        compiled({}).render("nope", locales=["en"], context={})


def test_an_empty_subject_is_an_error() -> None:
    with pytest.raises(RenderError, match="the subject came out empty"):
        rendered("---\nsubject: \"{{ data.x | default('') }}\"\n---\nx", data={})


def test_rendering_is_repeatable_and_leaves_the_context_alone() -> None:
    templates = compiled({"a.en.mjml": MJML})
    context = {**EVENT}
    assert templates.render("a", locales=[], context=context) == templates.render("a", locales=[], context=context)
    assert context == EVENT


def test_a_right_to_left_message_says_so() -> None:
    mail = HEAD + "<mjml><mj-body><mj-section></mj-section></mj-body></mjml>"
    templates = compiled({"a.en.mjml": mail, "a.ar.mjml": mail})
    html = templates.render("a", locales=["ar-AE"], context={}).html or ""
    assert html.count('lang="ar" dir="rtl"') == 2
