"""Every template is tried with the samples of its events, in every language, before it goes live."""

from pathlib import Path

import pytest

from tidings.model import Severity, Source
from tidings.rulebook import InvalidRulebook, check, load, read_folder

BRAND = "version: 1\nbrands: [{org: 1, name: Example, from: rewards@example.com%s}]\n"
RULE = "version: 1\nrules:\n  - {id: one, event: %s, notify: [{email: {to: %s, template: mail}}]%s}\n"


def found(
    bodies: dict[str, str],
    *,
    event: str = "pointsExpiryReminder",
    to: str = "customer",
    more: str = "",
    brand: str = "",
) -> list[tuple[str, int, str, str, Severity]]:
    problems = check(sources(bodies, event=event, to=to, more=more, brand=brand))
    return [(each.file.split("/")[-1], each.line, each.code, each.message, each.severity) for each in problems]


def sources(
    bodies: dict[str, str],
    *,
    event: str = "pointsExpiryReminder",
    to: str = "customer",
    more: str = "",
    brand: str = "",
) -> list[Source]:
    files = {"brands/all.yaml": BRAND % brand, "rules.yaml": RULE % (event, to, more)}
    files |= {f"templates/mail.{name}": f"---\nsubject: Hello\n---\n{body}\n" for name, body in bodies.items()}
    return [Source(path=path, data=text.encode()) for path, text in files.items()]


FAILS = "fails on the sample of pointsExpiryReminder: "


def test_each_language_is_tried_and_told_of_at_its_place() -> None:
    bodies = {"en.txt": "{{ data.scheduledExpiryDate | date }}", "de.txt": "\n{{ data.scheduledExpiryDate | number }}"}
    message = FAILS + "'2023-06-19' is not a number"
    assert found(bodies) == [("mail.de.txt", 5, "template-fails", message, Severity.ERROR)]


def test_a_rulebook_with_such_a_template_does_not_go_live_but_was_live_before() -> None:
    files = sources({"en.txt": "{{ data.scheduledExpiryDate | number }}"})
    with pytest.raises(InvalidRulebook, match="template-fails"):
        load(files)
    assert load(files, rehearse=False).problems == ()


def test_a_sample_that_no_rule_matches_makes_a_warning() -> None:
    body = {"en.txt": "{{ data.scheduledExpiryDate | number }}"}
    (problem,) = found(body, more=", when: 'data.pointsScheduledForExpiry > `1000`'")
    assert problem[2:] == ("template-fails", FAILS + "'2023-06-19' is not a number", Severity.WARNING)


def test_a_customer_of_whom_nothing_is_known_is_tried_too() -> None:
    body = {"en.txt": "Dear {{ contact.name }}"}
    message = "fails for a customer of whom only the address is known: name is missing from this event"
    assert found(body) == [("mail.en.txt", 4, "unknown-contact", message, Severity.WARNING)]
    assert found(body, to="team@example.com") == []
    assert found({"en.txt": "Dear {{ contact.name | default('member') }}"}) == []


def test_a_look_that_a_brand_lacks_is_found() -> None:
    body = {"en.txt": "{{ brand.address }} {{ brand.colours.primary }}"}
    (problem,) = found(body)
    assert problem[2:4] == ("template-fails", FAILS + "address is missing from this event")
    assert found(body, brand=", address: 1 Example Street") == []
    assert found({"en.txt": "{{ brand.logo | default('none') }}"}) == []


@pytest.mark.parametrize(
    ("body", "hazard"),
    [
        ("<{{ 'scr' ~ 'ipt' }}>x</script>", "it has the element <script>"),
        ("<p {{ 'on' }}click='x()'>x</p>", "the attribute onclick runs a script"),
        ("<a href='java&#115;cript:x()'>x</a>", "href leads to javascript:"),
        ("<a href='java\tscript:x()'>x</a>", "href leads to javascript:"),
        ("<p style='width: expression(x())'>x</p>", "a style runs a script"),
    ],
)
def test_what_would_run_in_the_finished_message_is_found(body: str, hazard: str) -> None:
    message = f"on the sample of pointsExpiryReminder: {hazard}"
    assert found({"en.html": body}) == [("mail.en.html", 1, "unsafe-message", message, Severity.ERROR)]


def test_a_template_tried_before_is_told_of_again() -> None:
    bodies = {"en.txt": "{{ data.scheduledExpiryDate | number }}"}
    assert found(bodies) == found(bodies)
    assert found({**bodies, "de.txt": "x"}) == found(bodies)


def test_the_shipped_templates_come_out() -> None:
    shipped = read_folder(Path(__file__).parents[2] / "rules")
    assert [str(each) for each in load(shipped).problems] == []


@pytest.mark.parametrize(
    ("brand", "code"),
    [
        (", colours: {primary: 'blue'}", "invalid-colour"),
        (", colours: {primary: '#12345'}", "invalid-colour"),
        (", colours: {shade: '#123456'}", "unknown-key"),
        (", logo: 'http://example.com/x.png'", "invalid-logo"),
        (", logo: 'https:///x.png'", "invalid-logo"),
        (", address: ''", "invalid-value"),
    ],
)
def test_a_look_that_is_none_is_a_problem_of_the_brand(brand: str, code: str) -> None:
    assert [each[2] for each in found({"en.txt": "x"}, brand=brand)] == [code]


def test_a_look_is_visible_to_templates() -> None:
    looks = ", logo: 'https://example.com/x.png', colours: {primary: '#abc', text: '#000000'}"
    brand = load(sources({"en.txt": "x"}, brand=looks)).rules.brands[1]
    assert (brand.logo, brand.colours.primary, brand.colours.link, brand.colours.text) == (
        "https://example.com/x.png", "#aabbcc", "#aabbcc", "#000000",
    )  # fmt: skip


def test_a_contact_may_have_any_attribute_and_may_lack_it() -> None:
    guarded = "In {{ contact.attributes.city | default('your town') }}."
    assert not [each for each in found({"en.txt": guarded}) if each[4] is Severity.ERROR]
    (problem,) = [
        each for each in found({"en.txt": "In {{ contact.attributes.city }}."}) if each[2] != "uncovered-rule"
    ]
    assert (problem[2], problem[4]) == ("unknown-contact", Severity.WARNING)


LINKED = '<a href="{{ unsubscribe_url | url }}">No more</a> <a href="{{ preferences_url | url }}">Choose</a>'


@pytest.mark.parametrize("more", ["", ", category: offers"])
def test_links_are_there_for_every_template(more: str) -> None:
    body = {"en.html": "<p>{% if unsubscribe_url %}" + LINKED + "{% endif %}</p>"}
    assert found(body, more=more) == []


@pytest.mark.parametrize(("test", "said"), [("if", "'AbCd"), ("if not", "''")])
def test_a_template_is_tried_with_links_and_without(test: str, said: str) -> None:
    body = {"en.txt": "{% " + test + " unsubscribe_url %}{{ unsubscribe_url[-4:] | number }}{% endif %}"}
    ((_, _, code, message, _),) = found(body)
    assert (code, said in message) == ("template-fails", True)


def test_a_link_that_there_is_not_is_told_of() -> None:
    ((_, _, code, message, _),) = found({"en.txt": "{{ unsubscribe_link }}"})
    assert (code, message) == ("unknown-variable", "there is no variable 'unsubscribe_link'")
