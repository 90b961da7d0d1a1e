"""The forms that texts of a brand or rule must have: addresses, zones, locales, URLs, rates, secret references.

Each check returns the text or raises a finding that says what is expected. None repeats the text, least of all a
secret somebody wrote where its reference belongs.
"""

import re
from collections.abc import Iterable
from datetime import time
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

from pydantic_core import PydanticCustomError

from tidings.documents import did_you_mean
from tidings.model import Rate, SecretRef

_LOCAL: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})*")
_MAILBOX: Final = re.compile(r"(?P<name>[^<>\x00-\x1f\x7f]*)<(?P<address>[^<>]*)>")
_LONGEST_ADDRESS: Final = 254
_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?")
_SECONDS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PAUSE: Final = re.compile(r"([1-9][0-9]{0,5})(s|m|h|d)")
_LONGEST_PAUSE_MS: Final = 7 * 86_400_000
_LONGEST_DURATION_MS: Final = 31 * 86_400_000
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,998}[\x21-\x7e])?")
_OURS: Final = frozenset(
    {"connection", "content-length", "content-type", "expect", "host", "te", "trailer", "transfer-encoding", "upgrade"}
)
_CLOCK: Final = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_HOST: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9A-Fa-f:.]+\]")
_URL: Final = re.compile(r"[\x21-\x7e]{1,2000}")
_COLOUR: Final = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")


def is_address(text: str) -> bool:
    """Say whether a text is one bare e-mail address, fit for an envelope and a header."""
    return len(text) <= _LONGEST_ADDRESS and _ADDRESS.fullmatch(text) is not None


def address(text: str) -> str:
    """Check one bare e-mail address."""
    if not is_address(text):
        raise PydanticCustomError(
            "invalid-address", "this is not an e-mail address", {"hint": "write name@example.com"}
        )
    return text


def mailbox(text: str) -> str:
    """Check ``Name <address>`` or a bare address."""
    found = _MAILBOX.fullmatch(text)
    if not is_address(found["address"] if found else text):
        hint = "write Name <name@example.com> or name@example.com"
        raise PydanticCustomError("invalid-address", "this is not a sender", {"hint": hint})
    return text


def zone(text: str) -> str:
    """Check the name of a time zone."""
    try:
        ZoneInfo(text)
    except (LookupError, ValueError, OSError):
        hint = did_you_mean(text, available_timezones()) or "write an IANA name such as Asia/Kolkata"
        raise PydanticCustomError("unknown-time-zone", "there is no such time zone", {"hint": hint}) from None
    return text


def read_zone(text: str) -> ZoneInfo:
    """Return a checked time zone."""
    return ZoneInfo(text)


def locale(text: str) -> str:
    """Check a language tag: language, optional script, optional region."""
    if not _LOCALE.fullmatch(text):
        hint = "write a language and, if need be, a region: en, ar-AE, zh-Hant-TW"
        raise PydanticCustomError("invalid-locale", "this is not a language tag", {"hint": hint})
    return text


def endpoint_url(text: str) -> str:
    """Check an absolute http or https URL without user, password and fragment."""
    try:
        parts = urlsplit(text)
        fits = parts.port != 0
    except ValueError:
        fits = False
    else:
        fits = fits and parts.scheme in ("http", "https") and _HOST.fullmatch(_host(parts.netloc)) is not None
    if not fits or not _URL.fullmatch(text) or "#" in text:
        hint = "write https://host/path, without user, password and fragment"
        raise PydanticCustomError("invalid-url", "this is not an address to post to", {"hint": hint})
    return text


def logo_url(text: str) -> str:
    """Check the https address of a picture that mail programs fetch."""
    try:
        parts = urlsplit(text)
        fits = parts.port != 0 and parts.scheme == "https" and _HOST.fullmatch(_host(parts.netloc)) is not None
    except ValueError:
        fits = False
    if not fits or not _URL.fullmatch(text) or set(text) & set("\"'<>\\`"):
        hint = "write https://host/path of a PNG, JPEG or GIF"
        raise PydanticCustomError("invalid-logo", "this is not the https address of a picture", {"hint": hint})
    return text


def colour(text: str) -> str:
    """Check ``#rrggbb`` or ``#rgb``; return the long form, which all mail programs know."""
    if not _COLOUR.fullmatch(text):
        hint = 'write "#rrggbb", such as "#3d348b", in quotes: YAML takes a bare # for a comment'
        raise PydanticCustomError("invalid-colour", "this is not a colour", {"hint": hint})
    short = len(text) == len("#rgb")
    return "#" + "".join(digit * 2 for digit in text[1:]) if short else text


def _host(netloc: str) -> str:
    """Return the host of ``host:port``; what holds a user keeps its ``@`` and is no host."""
    return re.sub(r":[0-9]*$", "", netloc)


def secret_reference(text: str) -> str:
    """Check a reference to a secret."""
    try:
        return str(SecretRef.parse(text))
    except ValueError:
        hint = "put the secret into the environment or a file, write env:NAME or file:PATH, and replace the secret"
        message = "a secret is given by reference, never by value"
        raise PydanticCustomError("secret-value", message, {"hint": hint}) from None


def rate(text: str) -> str:
    """Check a rate such as ``50/s``."""
    try:
        Rate.parse(text)
    except ValueError:
        raise PydanticCustomError(
            "invalid-rate", "this is not a rate", {"hint": "write 50/s, 600/m, 10000/h or 5000/d"}
        ) from None
    return text


def pause(text: str) -> str:
    """Check a pause between attempts such as ``5m``."""
    found = _PAUSE.fullmatch(text)
    if found is None or read_pause(text) > _LONGEST_PAUSE_MS:
        hint = "write 5s, 10m, 2h or 1d, up to 7d"
        raise PydanticCustomError("invalid-pause", "this is not a pause between attempts", {"hint": hint})
    return text


def read_pause(text: str) -> int:
    """Return a checked pause in milliseconds."""
    return int(text[:-1]) * int(_SECONDS[text[-1]] * 1000)


def read_pauses(texts: Iterable[str] | None) -> tuple[int, ...] | None:
    """Return checked pauses in milliseconds; None for none given."""
    return None if texts is None else tuple(read_pause(each) for each in texts)


def duration(text: str) -> str:
    """Check how long something takes, such as ``7d``; ``read_pause`` reads it."""
    found = _PAUSE.fullmatch(text)
    if found is None or read_pause(text) > _LONGEST_DURATION_MS:
        hint = "write 90s, 30m, 2h or 7d, up to 31d"
        raise PydanticCustomError("invalid-duration", "this is not a length of time", {"hint": hint})
    return text


def header_name(text: str) -> str:
    """Check the name of a header that may be sent beside the standard ones."""
    if not _HEADER.fullmatch(text):
        hint = "use letters, digits and dashes, such as X-Api-Key"
        raise PydanticCustomError("invalid-header", "this is not the name of a header", {"hint": hint, "on_key": True})
    if text.lower().startswith("webhook-") or text.lower() in _OURS:
        context = {"hint": "leave it out", "on_key": True}
        raise PydanticCustomError("invalid-header", "this header is the gateway's own", context)
    return text


def header_value(text: str) -> str:
    """Check the value of a header: visible text, or a reference to a secret."""
    if is_reference(text):
        return secret_reference(text)
    if not _HEADER_VALUE.fullmatch(text):
        hint = "use printable ASCII on one line, or a reference: env:NAME or file:PATH"
        raise PydanticCustomError("invalid-header", "this is not the value of a header", {"hint": hint})
    return text


def is_reference(text: str) -> bool:
    """Say whether a header's value is a reference to a secret, to be read where it is sent."""
    return text.startswith(("env:", "file:"))


def clock_time(text: str) -> str:
    """Check a time of day."""
    if not _CLOCK.fullmatch(text):
        raise PydanticCustomError("invalid-time", "this is not a time of day", {"hint": 'write HH:MM, such as "21:00"'})
    return text


def read_clock_time(text: str) -> time:
    """Return a checked time of day."""
    return time.fromisoformat(text)
