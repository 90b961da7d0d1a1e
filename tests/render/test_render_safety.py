"""Nothing that an event holds, and nothing a template tries, gets past escaping, the sandbox or the limits."""

import time

import pytest

from render_kit import HEAD, body, compiled, problems_of, rendered
from tidings.render import RenderError

HOSTILE = "<script>alert(1)</script>\"'{{7*7}}{% if %}&"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;{{7*7}}{% if %}&amp;"


def test_what_an_event_holds_is_text_in_html() -> None:
    made = body('<p title="{{ contact.name }}">{{ contact.name }}</p>', "html", contact={"name": HOSTILE})
    assert made == f'<p title="{ESCAPED}">{ESCAPED}</p>\n'


def test_what_an_event_holds_is_text_in_mjml() -> None:
    mail = '---\nsubject: "{{ contact.name }}"\npreheader: "{{ contact.name }}"\n---\n'
    mail += "<mjml><mj-body><mj-section><mj-column>"
    mail += (
        '<mj-text css-class="{{ contact.name }}">{{ contact.name }}</mj-text></mj-column></mj-section></mj-body></mjml>'
    )
    made = rendered(mail, "mjml", contact={"name": HOSTILE})
    html = made.html or ""
    assert (html.count("<script"), html.count(ESCAPED)) == (0, 4)
    assert (made.subject, made.text) == (HOSTILE, HOSTILE + "\n")


def test_a_subject_is_one_line_of_bearable_length_whatever_the_event_holds() -> None:
    mail = '---\nsubject: "Hi {{ contact.name }}"\n---\nx'
    name = "A\r\nBcc: eve@example.com\x00\u2028B\ud800" + "x" * 500
    subject = rendered(mail, contact={"name": name}).subject
    assert subject == ("Hi A Bcc: eve@example.com B" + "x" * 500)[:200]


def test_characters_that_no_message_may_hold_are_dropped() -> None:
    assert body("<p>{{ contact.name }}</p>", "html", contact={"name": "a\x00b\ud800c\x1bd"}) == "<p>abcd</p>\n"


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("https://example.com/?q=1&r=2", "https://example.com/?q=1&amp;r=2"),
        ("mailto:a@example.com", "mailto:a@example.com"),
        ("/path:with:colons", "/path:with:colons"),
        (" https://exa\nmple.com ", "https://example.com"),
    ],
)
def test_a_checked_link_goes_through(link: str, expected: str) -> None:
    assert body('<a href="{{ data.link | url }}">x</a>', "html", data={"link": link}) == f'<a href="{expected}">x</a>\n'


@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "java\nscript:alert(1)", " data:text/html,x", "\x01vbscript:x"],
)
def test_a_link_of_another_scheme_fails(link: str) -> None:
    with pytest.raises(RenderError, match="a link may begin with http, https, mailto, tel"):
        body('<a href="{{ data.link | url }}">x</a>', "html", data={"link": link})


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ data.__class__.__mro__ }}",
    "{{ data['__class__'] }}",
    "{{ ''['__class__']['__mro__'] }}",
    "{{ data.items.__globals__ }}",
    "{{ range.__globals__ }}",
    "{{ namespace.__init__.__globals__ }}",
    "{{ loop.__init__ }}",
    "{{ self.__init__ }}",
    "{{ self._TemplateReference__context }}",
    "{% macro m() %}{% endmacro %}{{ m.__call__ }}",
    "{% macro m() %}{% endmacro %}{{ m._func }}",
    "{{ '{0.__class__}'.format(1) }}",
    "{{ '%s' | format(1) }}",
    "{{ data | attr('__class__') }}",
    "{{ [data] | map(attribute='__class__') | first }}",
    "{{ [data] | map('attr', '__class__') | list }}",
    "{{ ['a'] | map(attribute='upper') | first }}",
    "{{ data.pop('x') }}",
    "{{ data.update({}) }}",
    "{{ lipsum.__globals__ }}",
    "{{ cycler.__init__ }}",
    "{{ joiner }}",
    "{{ dict(a=1) }}",
    "{{ _budget }}",
    "{{ _budget.steps }}",
    "{% set _budget = 1 %}",
    "{% set ns = namespace() %}{{ ns.__class__ }}",
    "{{ data.x() }}",
    "{{ '<b>' | safe }}",
    "{{ [1, 2] | random }}",
    "{% autoescape false %}{{ data.x }}{% endautoescape %}",
    "{% include data.x %}",
    "{% include 'secret.txt' %}",
    "{% include '_partials/../../secret.txt' %}",
    "{% extends '_partials/x.html' %}",
    "{% import 'os' as os %}",
    "{{ ().__class__.__bases__[0].__subclasses__() }}",
    "{{ ''|attr('__class__') }}",
    "{{ ['__class__'] | map('attr') | list }}",
    "{{ '%(a)s' % {'a': data} }}",
    "{{ '{0.__class__.__init__.__globals__}' | format(data) }}",
    "{{ cycler('a', 'b').next() }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum(1) }}",
    "{{ get_flashed_messages.__globals__ }}",
    "{{ namespace.__class__ }}",
    "{% set ns = namespace(a=1) %}{{ ns.__init__ }}",
    "{% set ns = namespace(a=1) %}{{ ns._Namespace__attrs }}",
    "{% macro m() %}{% endmacro %}{{ m.__globals__ }}",
    "{% macro m() %}{% endmacro %}{{ m['_environment'] }}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{% call m() %}{% endcall %}",
    "{% import '_partials/x.html' as x %}{{ x.__dict__ }}",
    "{% for a in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% for a in [1] %}{{ loop.__class__ }}{% endfor %}",
    "{{ data | tojson }}",
    "{{ data | pprint }}",
    "{{ [data] | sort(attribute='__class__.__name__') | first }}",
    "{{ [data] | groupby('__class__') | list }}",
    "{{ [data] | sum(attribute='__class__') }}",
    "{{ [data] | selectattr('__class__') | first }}",
    "{{ self }}",
    "{{ self.body() }}",
    "{{ url_for.__globals__ }}",
    "{{ _formats }}",
    "{{ _formats.zone }}",
    "{% set _formats = 1 %}",
    "{% do data.update({}) %}",
    "{% include ['_partials/a.html', '/etc/passwd'] ignore missing %}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_an_escape_from_the_sandbox_is_refused_when_checked_or_when_run(text: str) -> None:
    found = problems_of({"a.en.html": HEAD + text})
    if found:
        return
    with pytest.raises(RenderError):
        body(text, "html", data={"x": "<b>"})


GREEDY = [
    "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
    "{% for a in range(1000000) %}{% endfor %}",
    "{% for a in range(1000) %}{{ data.big }}{% endfor %}",
    "{% for a in range(1000) %}" + "x" * 2000 + "{% endfor %}",
    "{% set ns = namespace(x='xxxxxxxxxx') %}{% for a in range(100) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    "{% set ns = namespace(x='xxxxxxxxxx') %}{% for a in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x=[1]) %}{% for a in range(100) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
    "{% set ns = namespace(x=9) %}{% for a in range(100) %}{% set ns.x = ns.x * ns.x %}{% endfor %}",
    "{% set ns = namespace(x=data.big) %}{% for a in range(9) %}{% set ns.x = ns.x | replace('x', 'xx') %}{% endfor %}",
    "{% macro m(n) %}{{ m(n + 1) }}{{ m(n + 1) }}{% endmacro %}{{ m(0) }}",
    "{% macro m(n) %}{% if n and m(n - 1) and m(n - 1) %}{% endif %}x{% endmacro %}{{ m(60) }}",
    "{{ 'x' * 100000000 }}",
    "{{ [1] * 100000000 }}",
    "{{ 9 ** 99999999 }}",
    "{{ '%0999999999d' % 1 }}",
    "{{ range(1000) | join(data.big) }}",
    "{% for a in range(10**9) %}{% endfor %}",
    "{% for a in range(1000000000) %}x{% endfor %}",
    "{% for a in range(999) %}{% for b in range(40) %}{% set x = data.big | upper %}{% endfor %}{% endfor %}",
    "{% for a in range(999) %}{% for b in range(40) %}{% set x = data.big + data.big %}{% endfor %}{% endfor %}",
    "{% macro m() %}" + "x" * 50_000 + "{% endmacro %}{% for a in range(999) %}{% set y = m() %}{% endfor %}",
    "{% set x = data.list | map('replace', 'x', data.big[:9000]) | list %}{{ x | length }}",
    "{% set x = data.list | map('join', data.big) | list %}{{ x | length }}",
    "{% for a in range(999) %}{% for b in range(40) %}{% set x = data.big | striptags %}{% endfor %}{% endfor %}",
    "{{ data.n | plural(other='#' * 1000) }}",
    "{{ 1 | number(10**9) }}",
    "{{ 1 | round(999999999) ~ data.big ~ data.big ~ data.big }}{{ data.big ~ data.big ~ data.big }}",
]


@pytest.mark.parametrize("text", GREEDY, ids=range(len(GREEDY)))
def test_a_template_without_end_is_stopped(text: str) -> None:
    began = time.process_time()
    with pytest.raises(RenderError):
        body(text, "html", data={"big": "x" * 200_000, "list": ["xxxxxxxxxx"] * 1000, "n": 1})
    assert time.process_time() - began < 2


def test_partials_that_include_each_other_are_refused() -> None:
    assert problems_of(
        {
            "a.en.html": HEAD + "{% include '_partials/x.html' %}",
            "_partials/x.html": "{% include '_partials/y.html' %}",
            "_partials/y.html": "{% include '_partials/x.html' %}",
        }
    ) == [
        "templates/_partials/x.html:1:1: error[include-circle]: _partials/x.html includes itself (break the circle)",
        "templates/_partials/y.html:1:1: error[include-circle]: _partials/y.html includes itself (break the circle)",
    ]


def test_an_event_that_breaks_mjml_is_an_error_of_that_template() -> None:
    section = "{% if data.x %}<mj-section>{% endif %}{% if data.y %}</mj-section>{% endif %}"
    mail = f"{HEAD}<mjml><mj-body>{section}</mj-body></mjml>"
    templates = compiled({"a.en.mjml": mail})
    assert templates.render("a", locales=[], context={"data": {"x": 1, "y": 1}}).text == "\n"
    with pytest.raises(RenderError, match=r"templates/a\.en\.mjml: this event makes MJML that does not compile"):
        templates.render("a", locales=[], context={"data": {"x": 1}})


def test_a_templates_own_text_is_no_step() -> None:
    """Each turn and each value printed is one: 23 times a thousand of both are allowed, whatever stands between."""
    turns = "{% for a in range(23) %}{% for b in range(1000) %}.{{ b }}.{% endfor %}{% endfor %}"
    assert body(turns).startswith(".0..1.")
