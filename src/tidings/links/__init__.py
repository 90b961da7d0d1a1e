"""The links by which readers of e-mails say what they want: sealed tokens, and the addresses made of them.

Pure: the same delivery has the same links on every attempt. The sealing, cryptography's, is named in ``tokens`` alone.
"""

from tidings.links.making import LinkMaker, Links, MakeLinks, no_links, sample_links
from tidings.links.settings import UnsubscribeSettings
from tidings.links.tokens import MIN_SECRET, Purpose, Reader, TokenBox, UnusableSecret

__all__ = [
    "MIN_SECRET",
    "LinkMaker",
    "Links",
    "MakeLinks",
    "Purpose",
    "Reader",
    "TokenBox",
    "UnsubscribeSettings",
    "UnusableSecret",
    "no_links",
    "sample_links",
]
