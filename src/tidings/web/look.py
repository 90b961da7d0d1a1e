"""How the pages for readers look and in which words they speak. Pure: what they show is given."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any, Final

import yaml
from aiohttp import web
from babel import Locale
from babel.core import negotiate_locale
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from yarl import URL

from tidings.intake import Standing
from tidings.model import Brand, Colours

_LAST: Final = "en"
_PAGES: Final = Environment(
    loader=PackageLoader("tidings.web", "pages"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_BLACK, _WHITE = "#000000", "#ffffff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the pages say in one language."""

    lang: str
    words: Mapping[str, Any]

    @property
    def direction(self) -> str:
        """``ltr`` or ``rtl``."""
        return Locale.parse(self.lang).text_direction


@cache
def all_words() -> Mapping[str, Words]:
    """Return every language there is, by its tag, English first."""
    files = (each for each in resources.files("tidings.web").joinpath("words").iterdir() if each.name.endswith(".yaml"))
    read = {each.name.removesuffix(".yaml"): yaml.safe_load(each.read_text("utf-8")) for each in files}
    ordered = sorted(read, key=lambda lang: (lang != _LAST, lang))
    return {lang: Words(lang=lang, words=read[lang]) for lang in ordered}


def unsubscribe_page(standing: Standing, *, done: bool, status: int = 200) -> web.Response:
    """Ask whether a reader wants no more of a category, or say that it is so; for an address it is all of them."""
    reader = standing.reader
    category = None if reader.customer_id is None else _isolated(_words_of(standing, reader.category))
    return _page("unsubscribe.html", standing, status=status, done=done, category=category)


def preferences_page(standing: Standing, *, saved: bool, status: int = 200) -> web.Response:
    """Show every category with a box to tick."""
    choices = [(category, _words_of(standing, category), wanted) for category, wanted in standing.choices.items()]
    return _page("preferences.html", standing, status=status, saved=saved, choices=choices)


def sorry_page(key: str, *, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
    """Say in every language that something cannot be done, to somebody of whom nothing is known."""
    return _response(
        "sorry.html", None, all_words()[_LAST], status=status, headers=headers, key=key, in_all=[*all_words().values()]
    )


def _page(name: str, standing: Standing, *, status: int, **shown: Any) -> web.Response:
    words = _language(standing)
    brand = _isolated(standing.brand.name) if standing.brand else words.words["us"]
    return _response(name, standing.brand, words, status=status, name=brand, **shown)


def _response(
    page: str,
    brand: Brand | None,
    words: Words,
    *,
    status: int,
    headers: Mapping[str, str] | None = None,
    **shown: Any,
) -> web.Response:
    style = _style(brand.colours if brand else Colours())
    text = _PAGES.get_template(page).render(
        brand=brand, words=words.words, lang=words.lang, direction=words.direction, style=Markup(style), **shown  # noqa: S704 (made of checked colours)
    )  # fmt: skip
    return web.Response(
        text=text, status=status, content_type="text/html", headers=_guards(style, brand) | dict(headers or {})
    )


def _guards(style: str, brand: Brand | None) -> dict[str, str]:
    """Allow the page its own style and the brand's logo, a form to itself, and nothing else at all."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    images = URL(brand.logo).origin() if brand and brand.logo else "'none'"
    policy = {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "img-src": images,
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Referrer-Policy": "no-referrer",  # the address is the token
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "X-Robots-Tag": "noindex, nofollow",
        "Cache-Control": "no-store",
    }


@cache
def _style(colours: Colours) -> str:
    return _PAGES.get_template("style.css").render(colours=colours, ink=ink_on(colours.primary)).strip()


def ink_on(colour: str) -> str:
    """Return black or white, whichever is easier to read on a colour ``#rrggbb``."""
    light = _luminance(colour)
    return _WHITE if (1.05 / (light + 0.05)) >= ((light + 0.05) / 0.05) else _BLACK


def _luminance(colour: str) -> float:
    """Return the relative luminance of WCAG 2, 0 to 1."""
    parts = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)  # noqa: PLR2004 (sRGB's own)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _language(standing: Standing) -> Words:
    return all_words()[_negotiated(standing, [*all_words()]) or _LAST]


def _words_of(standing: Standing, category: str) -> str:
    """Return what the brand calls a category in the reader's language, else in whichever it has; else its id."""
    given = standing.brand.categories.get(category, category) if standing.brand else category
    if isinstance(given, str):
        return given
    found = _negotiated(standing, [*given]) or next(iter(given), None)
    return given[found] if found else category


def _negotiated(standing: Standing, available: Sequence[str]) -> str | None:
    wanted = [locale for locale in (standing.locale, standing.brand and standing.brand.locale, _LAST) if locale]
    return negotiate_locale([each.replace("_", "-") for each in wanted], available, sep="-")


def _isolated(text: str) -> str:
    """Keep a name from turning the direction of the sentence it stands in."""
    return f"\u2068{text}\u2069"
