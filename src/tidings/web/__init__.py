"""The HTTP face. Handlers convert and call; no rule and no driver lives here."""

from tidings.web.intake import VendorIntake
from tidings.web.server import open_http_server
from tidings.web.settings import CapillarySettings, HttpSettings, IntakeSettings, K42Settings
from tidings.web.status import StatusPages

__all__ = [
    "CapillarySettings",
    "HttpSettings",
    "IntakeSettings",
    "K42Settings",
    "StatusPages",
    "VendorIntake",
    "open_http_server",
]
