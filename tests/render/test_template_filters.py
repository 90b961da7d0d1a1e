from typing import Any

import pytest

from render_kit import HEAD, body, compiled, problems_of
from tidings.render import RenderError

NUMBERS = [
    (300, "number", "300"),
    (1234567, "number", "1,234,567"),
    (9223372036854775807, "number", "9,223,372,036,854,775,807"),
    (1720440490349.0, "number", "1,720,440,490,349"),
    (1234.5, "number", "1,234.5"),
    (0.125, "number", "0.13"),
    (-0.001, "number", "0"),
    (2.5, "number(0)", "3"),
    ("14.000", "number", "14"),
    ("14.5", "number(2)", "14.50"),
    (100, "number(2)", "100.00"),
    (2.345, "round(2)", "2.35"),
    ("7.5", "round", "8"),
]


@pytest.mark.parametrize(("value", "asked", "expected"), NUMBERS)
def test_numbers_are_written_for_reading(value: Any, asked: str, expected: str) -> None:
    assert body(f"{{{{ data.x | {asked} }}}}", data={"x": value}) == expected + "\n"


MIDNIGHT = 1687132800000  # 2023-06-19T00:00:00Z
DATES = [
    ("2023-06-19", "date", {}, "19 June 2023"),
    ("2023-06-19", "date('medium')", {}, "19 Jun 2023"),
    ("2023-06-19", "date('full')", {}, "Monday, 19 June 2023"),
    ("2023-06-19", "date('iso')", {}, "2023-06-19"),
    ("2023-06-19 23:30:00", "date", {"contact": {"time_zone": "Asia/Kolkata"}}, "19 June 2023"),
    ("2023-06-19T23:30:00Z", "date", {"contact": {"time_zone": "Asia/Kolkata"}}, "20 June 2023"),
    ("2023-06-19T23:30:00+05:30", "time", {}, "6:00\u00a0pm"),
    (MIDNIGHT, "date", {}, "19 June 2023"),
    (MIDNIGHT, "date", {"brand": {"time_zone": "America/New_York"}}, "18 June 2023"),
    (
        MIDNIGHT,
        "time",
        {"brand": {"time_zone": "America/New_York"}, "contact": {"time_zone": "Asia/Kolkata"}},
        "5:30\u00a0am",
    ),
    (
        MIDNIGHT,
        "time",
        {"contact": {"time_zone": "Nowhere/At all"}, "brand": {"time_zone": "Asia/Kolkata"}},
        "5:30\u00a0am",
    ),
    (1.657437873e12, "date", {}, "10 July 2022"),
]


@pytest.mark.parametrize(("value", "asked", "around", "expected"), DATES)
def test_dates_are_written_in_the_readers_zone(value: Any, asked: str, around: dict[str, Any], expected: str) -> None:
    assert body(f"{{{{ data.x | {asked} }}}}", data={"x": value}, **around) == expected + "\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ data.s | replace('a', '<b>') }}", "&lt;b&gt;-&lt;b&gt;&amp;"),
        ("{{ data.list | join('<br>') }}", "x&lt;br&gt;&lt;y&gt;"),
        ("{{ data.s | upper }}{{ data.s | urlencode }}", "A-A&amp;a-a%26"),
        ("{{ data.list | first | title }}", "X"),
        ("{{ '' | default('d') }}{{ '' | default('d', true) }}", "d"),
    ],
)
def test_texts_stay_escaped_through_filters(text: str, expected: str) -> None:
    assert body(text, "html", data={"s": "a-a&", "list": ["x", "<y>"]}) == expected + "\n"


AFTERNOON = "2023-06-19T14:05:00"
IN_WORDS = [
    # template, reader, what is written, as what
    ("en", "en", "{{ data.day | date }} {{ data.n | number }}", "19 June 2023 1,234,567.5"),
    ("en", "en-US", "{{ data.day | date }} {{ data.day | date('short') }}", "June 19, 2023 6/19/23"),
    ("en", "en-IN", "{{ data.day | date }} {{ data.n | number }}", "19 June 2023 12,34,567.5"),
    ("en", "hi-IN", "{{ data.day | date('full') }} {{ data.n | number(2) }}", "Monday, 19 June 2023 12,34,567.50"),
    ("en", "fr-FR", "{{ data.day | date('medium') }} {{ data.n | number }}", "19 Jun 2023 1\u00a0234\u00a0567,5"),
    ("de", "de", "{{ data.day | date }} {{ data.n | number }}", "19. Juni 2023 1.234.567,5"),
    ("de", "de-CH", "{{ data.n | number(1) }} {{ data.share | percent }}", "1\u2019234\u2019567.5 13%"),
    ("ar", "ar-AE", "{{ data.day | date }} {{ data.n | number }}", "19 يونيو 2023 1,234,567.5"),
    ("zh-Hant", "zh-TW", "{{ data.day | date }}", "2023年6月19日"),
    ("en", "en-GB", "{{ data.at | time }} {{ data.at | datetime }}", "14:05 19 June 2023, 14:05"),
    ("en", "en-US", "{{ data.at | time }}", "2:05\u00a0PM"),
    ("en", "en-IN", "{{ 1234567.5 | currency('INR') }} {{ -2 | currency('INR') }}", "₹12,34,567.50 -₹2.00"),
    ("de", "de-DE", "{{ data.n | currency('EUR') }}", "1.234.567,50\u00a0€"),
    ("en", "en", "{{ data.n | currency('JPY') }}", "JP¥1,234,568"),
    ("en", "en", "{{ data.share | percent }} {{ data.share | percent(1) }}", "13% 12.5%"),
    ("en", "en", "{{ data.day | relative('2023-06-16') }}", "in 3 days"),
    ("de", "de", "{{ data.at | relative('2023-06-19T16:05:00') }}", "vor 2 Stunden"),
]


@pytest.mark.parametrize(("template", "reader", "text", "expected"), IN_WORDS)
def test_words_are_the_templates_and_forms_the_readers(template: str, reader: str, text: str, expected: str) -> None:
    templates = compiled({"a.en.txt": HEAD, f"a.{template}.txt": HEAD + text})
    context = {"data": {"day": "2023-06-19", "at": AFTERNOON, "n": 1234567.5, "share": 0.125}}
    assert templates.render("a", locales=[reader, template], context=context).text == expected + "\n"


@pytest.mark.parametrize(
    ("locale", "words"),
    [
        ("en", ["0 points", "1 point", "2 points", "1.5 points"]),
        ("ar", ["صفر", "نقطة", "نقطتان", "1.5 أخرى", "3 نقاط", "11 نقطة كثيرة", "100 أخرى"]),
        ("pl", ["0 many", "1 punkt", "2 few", "1,5 other", "3 few", "11 many"]),
    ],
)
def test_a_plural_has_the_forms_of_its_language(locale: str, words: list[str]) -> None:
    forms = {
        "en": "one='# point', other='# points'",
        "ar": "zero='صفر', one='نقطة', two='نقطتان', few='# نقاط', many='# نقطة كثيرة', other='# أخرى'",
        "pl": "one='# punkt', few='# few', many='# many', other='# other'",
    }[locale]
    templates = compiled({"a.en.txt": HEAD, f"a.{locale}.txt": HEAD + f"{{{{ data.n | plural({forms}) }}}}"})
    numbers = [0, 1, "2.00", 1.5, 3, 11, 100]
    made = [templates.render("a", locales=[locale], context={"data": {"n": each}}).text.strip() for each in numbers]
    assert made[: len(words)] == words


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "{{ data.x | date('longest') }}",
            "date knows short, medium, long, full, iso, not 'longest' (did you mean 'long'?)",
        ),
        ("{{ data.x | time(style='full') }}", "time knows short, medium, not 'full'"),
        ("{{ data.x | currency('RUPEES') }}", "there is no currency 'RUPEES' (write its three letters, such as INR)"),
        ("{{ data.x | currency }}", "currency: missing a required argument: 'code' (it takes code)"),
        ("{{ data.x | number(2, 3) }}", "number: too many positional arguments (it takes decimals)"),
        ("{{ data.x | number('two') }}", "number takes a number of decimals from 0 to 12"),
        ("{{ data.x | plural(one='a') }}", "plural: missing a required argument: 'other' (it takes other, forms)"),
        (
            "{{ data.x | plural(won='a', other='b') }}",
            "plural has no form 'won' (forms are zero, one, two, few, many, other)",
        ),
        ("{{ data.x | relative }}", "relative: missing a required argument: 'since' (it takes since)"),
        ("{{ data.x | upper(1) }}", "upper: too many positional arguments (it takes none)"),
        ("{{ data.x | map('uper') | list }}", "map: there is no filter 'uper' (did you mean 'upper'?)"),
        ("{{ data.x | selectattr('a', 'evn') | list }}", "selectattr: there is no test 'evn' (did you mean 'even'?)"),
        ("{% if data.x is divisibleby %}{% endif %}", "divisibleby: missing a required argument: 'num' (it takes num)"),
    ],
)
def test_arguments_are_checked_before_any_event_comes(text: str, message: str) -> None:
    (found,) = problems_of({"a.en.txt": HEAD + text})
    assert found.split("error[filter-argument]: ")[1] == message


@pytest.mark.parametrize("text", ["{{ 1 | currency(data.code) }}", "{{ 'x' | percent }}", "{{ 'x' | relative('y') }}"])
def test_a_value_that_does_not_fit_is_an_error_of_that_message(text: str) -> None:
    with pytest.raises(RenderError, match=r"templates/a\.en\.txt:4: 'x' is not "):
        body(text, data={"code": "x"})


def test_the_reader_named_for_a_message_comes_before_contact_and_brand() -> None:
    templates = compiled({"a.en.txt": HEAD + "{{ data.x | time }}"})
    context = {"data": {"x": MIDNIGHT}, "contact": {"time_zone": "Asia/Kolkata"}}
    assert templates.render("a", locales=["en-GB"], context=context, zone="Asia/Tokyo").text == "09:00\n"
