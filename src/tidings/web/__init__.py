"""The HTTP face. Handlers convert and call; no rule and no driver lives here."""

from tidings.web.bounces import BounceIntake
from tidings.web.intake import VendorIntake
from tidings.web.reader_pages import ReaderPages
from tidings.web.readiness import DispatchStanding, Readiness, RulebookStanding
from tidings.web.server import open_http_server
from tidings.web.settings import BounceSettings, CapillarySettings, HttpSettings, IntakeSettings, K42Settings
from tidings.web.status import StatusPages

__all__ = [
    "BounceIntake",
    "BounceSettings",
    "CapillarySettings",
    "DispatchStanding",
    "HttpSettings",
    "IntakeSettings",
    "K42Settings",
    "ReaderPages",
    "Readiness",
    "RulebookStanding",
    "StatusPages",
    "VendorIntake",
    "open_http_server",
]
