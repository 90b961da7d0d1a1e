"""Pieces that read of a message its brand alone are printed once, and nobody can tell."""

from typing import Any

import pytest

from render_kit import compiled
from tidings.render import RenderError, TemplateSet

INCLUDE = '{% include "_partials/piece.txt" %}'
BODY = INCLUDE + " {{ data.name }}"


def templates(piece: str, body: str = BODY) -> TemplateSet:
    text = f"---\nsubject: Of {{{{ brand.name }}}}\n---\n{body}"
    return compiled({"note.en.txt": text, "_partials/piece.txt": piece})


def brand(name: str) -> dict[str, Any]:
    return {"name": name, "time_zone": "UTC"}


def told(made: TemplateSet, of: dict[str, Any], data: object = "Asha", locale: str = "en") -> tuple[str, str]:
    rendered = made.render("note", locales=[locale], context={"data": {"name": data}, "brand": of, "contact": {}})
    return rendered.subject, rendered.text


def test_brands_do_not_get_each_others_pieces() -> None:
    made = templates("By {{ brand.name }}")
    one, other = brand("One"), brand("Other")
    for _ in range(2):
        assert told(made, one) == ("Of One", "By One Asha\n")
        assert told(made, other, "Ben") == ("Of Other", "By Other Ben\n")
    for number in range(200):  # made anew for each message, as when a past revision is sent
        assert told(made, brand(str(number))) == (f"Of {number}", f"By {number} Asha\n")


def test_a_piece_writes_numbers_as_each_reader_does() -> None:
    made = templates("{{ 1234.5 | number(1) }} {{ brand.name }}")
    one = brand("One")
    for _ in range(2):
        assert told(made, one, locale="en-GB")[1].startswith("1,234.5 One")
        assert told(made, one, locale="en-ZA")[1].startswith("1\xa0234,5 One")


def test_a_piece_is_not_remembered_for_what_else_it_reads() -> None:
    made = templates("{% if brand.name %}{{ data.name }}{% endif %}")
    one = brand("One")
    assert [told(made, one, each)[1] for each in ("Asha", "Ben")] == ["Asha Asha\n", "Ben Ben\n"]


def test_a_template_may_put_another_brand_in_place() -> None:
    made = templates("By {{ brand.name }}", "{% set brand = data.name %}" + INCLUDE)
    one = brand("One")
    assert [told(made, one, {"name": each})[1] for each in ("a", "b")] == ["By a\n", "By b\n"]


@pytest.mark.parametrize(("piece", "name"), [("{{ brand.name }}" * 60, "One"), ("{{ brand.name }}", "x" * 1_200)])
def test_what_is_remembered_costs_as_much_as_what_is_printed(piece: str, name: str) -> None:
    made = templates(piece, f"{{% for each in data.name %}}{INCLUDE}{{% endfor %}}")
    one = brand(name)
    for _ in range(2):
        told(made, one, list(range(800)))
        with pytest.raises(RenderError, match="more than"):
            told(made, one, list(range(1_000)))
