"""A rulebook: the rules, brands and templates of one folder, checked, compiled and versioned together.

It loads, composes messages and keeps past revisions at hand. What a rule means is ``tidings.rules``'
business, what a template means ``tidings.render``'s.
"""

from tidings.rulebook.book import Rulebook
from tidings.rulebook.checking import check
from tidings.rulebook.compose import (
    ComposeFailed,
    PlainWebhook,
    Unreachable,
    compose,
    plain_webhook,
    recipient_address,
)
from tidings.rulebook.history import ReadPast, Rulebooks
from tidings.rulebook.load import (
    InvalidRulebook,
    load,
    pack,
    read_folder,
    revision_of,
    rulebook_files,
    unpack,
)
from tidings.rulebook.operations import alerts, endpoint_disabled
from tidings.rulebook.plain_email import PlainEmail, plain_email

__all__ = [
    "ComposeFailed",
    "InvalidRulebook",
    "PlainEmail",
    "PlainWebhook",
    "ReadPast",
    "Rulebook",
    "Rulebooks",
    "Unreachable",
    "alerts",
    "check",
    "compose",
    "endpoint_disabled",
    "load",
    "pack",
    "plain_email",
    "plain_webhook",
    "read_folder",
    "recipient_address",
    "revision_of",
    "rulebook_files",
    "unpack",
]
