import pytest

from render_kit import HEAD, problems_of
from tidings.model import Problem, Source
from tidings.render import compile_templates


def mjml(inside: str) -> str:
    return f"{HEAD}<mjml>\n<mj-body>\n{inside}\n</mj-body>\n</mjml>"


CASES = [
    (
        "a.en.txt",
        HEAD + "{{ data.x | numbr }}",
        "4:13",
        "unknown-filter",
        "there is no filter 'numbr'",
        "did you mean 'number'?",
    ),
    (
        "a.en.txt",
        HEAD + "\n{% if data.x is evn %}{% endif %}",
        "5:17",
        "unknown-test",
        "there is no test 'evn'",
        "did you mean 'even'?",
    ),
    (
        "a.en.txt",
        HEAD + "{{ data.x | safe }}",
        "4:13",
        "unknown-filter",
        "there is no filter 'safe'",
        "values are always escaped; put markup into the template itself",
    ),
    (
        "a.en.txt",
        HEAD + "x\n  {% if data.x %}",
        "5:3",
        "template-syntax",
        "a tag {% if … %} is not ended",
        "write {% endif %} where it ends",
    ),
    ("a.en.txt", HEAD + "{{ data. }}", "4:1", "template-syntax", "expected name or number", ""),
    (
        "a.en.txt",
        HEAD + "{% fi %}",
        "4:1",
        "template-syntax",
        "encountered unknown tag 'fi'",
        "tags are if, for, set, with, macro, call, filter, include, import, raw",
    ),
    (
        "a.en.txt",
        HEAD + "{% if data.x %}{% for x in data.y %}\n{% endif %}{% endfor %}",
        "5:1",
        "template-syntax",
        "encountered unknown tag 'endif'",
        "the tag {% for … %} before it is not ended yet",
    ),
    ("a.en.txt", HEAD + "{{ dta.x }}", "4:4", "unknown-variable", "there is no variable 'dta'", "did you mean 'data'?"),
    (
        "a.en.txt",
        HEAD + "{{ brand.nme }}",
        "4:4",
        "unknown-variable",
        "there is no variable 'brand.nme'",
        "did you mean 'brand.name'?",
    ),
    (
        "a.en.txt",
        HEAD + "{{ contact.phone }}",
        "4:4",
        "unknown-variable",
        "there is no variable 'contact.phone'",
        "contact has attributes, customer_id, email, locale, name, time_zone",
    ),
    (
        "a.en.txt",
        HEAD + "{% include '_partials/foo.txt' %}",
        "4:13",
        "unknown-partial",
        "there is no partial '_partials/foo.txt'",
        'write {% include "_partials/NAME.mjml" %}',
    ),
    (
        "a.en.txt",
        HEAD + "{% include data.x %}",
        "4:1",
        "dynamic-include",
        "the name of what is included must be written out",
        "",
    ),
    (
        "a.en.txt",
        HEAD + "{% block a %}{% endblock %}",
        "4:1",
        "unsupported-tag",
        "block is not available in a template",
        "use include or macro",
    ),
    (
        "a.en.txt",
        HEAD + "{% for a in data.b recursive %}{% endfor %}",
        "4:1",
        "unsupported-tag",
        "for … recursive is not available in a template",
        "use include or macro",
    ),
    ("a.en.txt", HEAD + "{{ data.a.upper() }}", "4:4", "unsupported-call", "upper() cannot be called", "use a filter"),
    (
        "a.en.txt",
        HEAD + "{{ data._x }}",
        "4:1",
        "private-name",
        "a name may not begin with an underscore: '_x'",
        "leave it out",
    ),
    ("a.en.txt", "Hello", "1:1", "missing-subject", "the template has no subject", "begin with ---, subject: …, ---"),
    (
        "a.en.txt",
        "---\npreheader: x\n---\n",
        "1:1",
        "missing-subject",
        "the front matter has no subject",
        "add subject: …",
    ),
    (
        "a.en.txt",
        "---\nsubject: x\n",
        "1:1",
        "front-matter",
        "the front matter that opens here is not closed",
        "put a line --- after it",
    ),
    (
        "a.en.txt",
        "---\nsubject: x\nsubjekt: y\n---\n",
        "3:1",
        "unknown-key",
        "unknown key 'subjekt'",
        "did you mean 'subject'?",
    ),
    (
        "a.en.txt",
        "---\nsubject: {{ data.x }}\n---\n",
        "2:10",
        "front-matter",
        "a text that begins with {{ or {% needs quotes round it",
        'write "{{ … }}", and single quotes inside',
    ),
    (
        "a.en.txt",
        "---\nsubject: 5\n---\n",
        "2:10",
        "front-matter",
        "subject must be a text",
        "put quotes round a text that looks like a number",
    ),
    (
        "a.en.txt",
        "---\nsubject: ok\npreheader: 'It''s {{ data.x | nmber }}'\n---\n",
        "3:31",
        "unknown-filter",
        "there is no filter 'nmber'",
        "did you mean 'number'?",
    ),
    ("a.en.txt", "---\n- subject\n---\n", "2:1", "front-matter", "front matter is keys and texts: subject: …", ""),
    (
        "A.en.txt",
        HEAD,
        "1:1",
        "template-name",
        "a template's file is named templates/NAME.LOCALE.mjml, .html or .txt",
        "such as templates/points-expiring-soon.en.mjml",
    ),
    (
        "a.english.txt",
        HEAD,
        "1:1",
        "template-name",
        "a template's file is named templates/NAME.LOCALE.mjml, .html or .txt",
        "such as templates/points-expiring-soon.en.mjml",
    ),
    (
        "_partials/sub/a.txt",
        "",
        "1:1",
        "template-name",
        "a partial is a file of templates/_partials/, named in small letters, digits and hyphens",
        "such as templates/_partials/footer.mjml",
    ),
    (
        "a.de.txt",
        HEAD,
        "1:1",
        "missing-locale",
        "the template 'a' has no 'en' version",
        "add templates/a.en.txt: every locale chain ends with it",
    ),
    (
        "a.en.mjml",
        mjml("<mj-txt>x</mj-txt>"),
        "6:1",
        "unknown-element",
        "there is no element <mj-txt>",
        "did you mean 'mj-text'?",
    ),
    (
        "a.en.mjml",
        mjml("<mj-section>"),
        "7:1",
        "unclosed-element",
        "</mj-body> stands where <mj-section> of line 6 is still open",
        "write </mj-section> before it",
    ),
    (
        "a.en.mjml",
        mjml("</b>"),
        "6:1",
        "unclosed-element",
        "</b> stands where <mj-body> of line 5 is still open",
        "write </mj-body> before it",
    ),
    (
        "a.en.mjml",
        HEAD + "<mjml>\n<mj-body></mj-body>",
        "4:1",
        "unclosed-element",
        "<mjml> is never closed",
        "write </mjml>",
    ),
    (
        "a.en.mjml",
        HEAD + "</mjml>",
        "4:1",
        "unclosed-element",
        "</mjml> closes nothing",
        "an element opens and closes in one file",
    ),
    (
        "a.en.mjml",
        HEAD + "\nHello",
        "5:1",
        "mjml-syntax",
        "an MJML template is one <mjml> element",
        "the template begins with <mjml> and ends with </mjml>",
    ),
    (
        "a.en.mjml",
        mjml("<mj-section padding=5></mj-section>"),
        "6:20",
        "mjml-syntax",
        "not MJML: unable to parse next template",
        'every attribute is name="value", and a bare < is written &lt;',
    ),
    (
        "a.en.mjml",
        mjml("<mj-include path='x' />"),
        "6:1",
        "forbidden-element",
        "<mj-include> has no place in a message",
        'write {% include "_partials/NAME.mjml" %}',
    ),
    (
        "a.en.html",
        HEAD + "<p>\n<script src='x'></script>",
        "5:1",
        "forbidden-element",
        "<script> has no place in a message",
        "mail clients drop scripts; leave it out",
    ),
    ("a.en.html", HEAD + "<p onclick='x'>", "4:4", "forbidden-attribute", "onclick runs a script", ""),
    (
        "a.en.html",
        HEAD + "<p class={{ data.x }}>",
        "4:10",
        "unquoted-attribute",
        "the value of class needs quotes round it",
        'write class="…"',
    ),
    (
        "a.en.html",
        HEAD + "<a href='{{ data.x }}'>",
        "4:10",
        "unsafe-link",
        "a link taken from data must be checked",
        "write {{ … | url }}",
    ),
    (
        "a.en.html",
        HEAD + "<a href='{{ data.x | url }}{{ data.y }}'>",
        "4:28",
        "unsafe-link",
        "a link taken from data must be checked",
        "write {{ … | url }}",
    ),
    (
        "a.en.html",
        HEAD + "<a href=' JavaScript:x'>",
        "4:9",
        "unsafe-link",
        "a link leads to the web, an address or a telephone",
        "",
    ),
]


@pytest.mark.parametrize(("name", "text", "place", "code", "message", "hint"), CASES, ids=range(len(CASES)))
def test_a_problem_has_its_place_its_words_and_its_cure(
    name: str, text: str, place: str, code: str, message: str, hint: str
) -> None:
    cure = f" ({hint})" if hint else ""
    assert problems_of({name: text}) == [f"templates/{name}:{place}: error[{code}]: {message}{cure}"]


def test_all_problems_of_all_files_come_at_once() -> None:
    found = problems_of(
        {
            "a.en.mjml": "---\nsubjec: x\n---\n<mjml><mj-body>{{ a }}{{ b | c }}</mj-body></mjml>",
            "b.en.html": HEAD + "<script></script>{{ c }}",
            "b.en.mjml": HEAD + "<mjml></mjml>",
            "b.en.txt": HEAD + "x",
            "c.fr.txt": "x",
        }
    )
    assert [each.split("]")[0] for each in found] == [
        "templates/a.en.mjml:2:1: error[unknown-key",
        "templates/a.en.mjml:4:30: error[unknown-filter",
        "templates/b.en.html:4:1: error[forbidden-element",
        "templates/b.en.html:4:21: error[unknown-variable",
        "templates/b.en.mjml:1:1: error[duplicate-template",
        "templates/b.en.txt:1:1: error[front-matter",
        "templates/c.fr.txt:1:1: error[missing-locale",
        "templates/c.fr.txt:1:1: error[missing-subject",
    ]


def test_a_text_part_given_twice_is_a_problem() -> None:
    found = problems_of({"a.en.html": "---\nsubject: x\ntext: y\n---\n", "a.en.txt": "y"})
    message = "the front matter of the template gives a text part already"
    assert found == [f"templates/a.en.txt:1:1: error[duplicate-text]: {message} (keep one)"]


def test_a_partial_is_checked_by_itself() -> None:
    found = problems_of(
        {"a.en.mjml": mjml("{% include '_partials/foot.mjml' %}"), "_partials/foot.mjml": "\n<mj-section>"}
    )
    message = "<mj-section> is never closed (write </mj-section>)"
    assert found == [f"templates/_partials/foot.mjml:2:1: error[unclosed-element]: {message}"]


def test_a_template_with_what_it_includes_must_compile() -> None:
    found = problems_of(
        {
            "a.en.mjml": mjml("{% include '_partials/foot.mjml' %}"),
            "_partials/foot.mjml": "<mj-section a=5></mj-section>",
        }
    )
    assert [each.split(":")[:3] for each in found] == [["templates/a.en.mjml", "4", "1"]]


@pytest.mark.parametrize(
    ("data", "code", "line"), [(b"---\nsubject: \xff", "not-utf-8", 2), (b"x" * 300_000, "file-too-large", 1)]
)
def test_a_file_that_cannot_be_read_is_a_problem(data: bytes, code: str, line: int) -> None:
    problems: list[Problem] = []
    compile_templates([Source(path="templates/a.en.txt", data=data)], report=problems.append)
    assert [(each.code, each.line) for each in problems] == [(code, line)]


def test_other_files_of_a_rulebook_are_left_alone() -> None:
    problems: list[Problem] = []
    templates = compile_templates([Source(path="loyalty.yaml", data=b"\xff")], report=problems.append)
    assert (templates.names, problems) == (frozenset(), [])


def test_a_template_with_a_problem_keeps_its_name_so_that_rules_may_name_it() -> None:
    problems: list[Problem] = []
    templates = compile_templates([Source(path="templates/a.en.txt", data=b"x")], report=problems.append)
    assert (templates.names, templates.locales("a")) == (frozenset({"a"}), ())


def test_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    text = "\ufeff" + HEAD.replace("\n", "\r\n") + "x\r\n{{ dta }}\r\n"
    found = problems_of({"a.en.txt": text})
    assert [each.split(" ")[0] for each in found] == ["templates/a.en.txt:5:4:"]


def test_jinja_inside_raw_is_text() -> None:
    assert problems_of({"a.en.html": HEAD + "{% raw %}<p>{{ nothing | nothing }}</p>{% endraw %}"}) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", id="nested too deeply"),
        pytest.param("{% macro m(a, a) %}{% endmacro %}", id="an argument twice"),
        pytest.param("{% set loop = 1 %}{% for x in data.y %}{% set loop = 2 %}{% endfor %}", id="loop set"),
    ],
)
def test_what_parses_and_cannot_be_compiled_is_a_problem(text: str) -> None:
    assert [each.split(": ")[1] for each in problems_of({"a.en.txt": HEAD + text})] == ["error[template-syntax]"]
