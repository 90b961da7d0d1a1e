"""The links of one delivery."""

from dataclasses import dataclass
from typing import Final, Protocol

from tidings.links.tokens import Purpose, Reader, TokenBox


@dataclass(frozen=True, slots=True, kw_only=True)
class Links:
    """Where the reader of an e-mail unsubscribes and sets preferences; empty where they cannot."""

    unsubscribe: str = ""
    preferences: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The headers by which mail programs offer to unsubscribe with one click (RFC 8058)."""
        if not self.unsubscribe:
            return {}
        return {"List-Unsubscribe": f"<{self.unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}


class MakeLinks(Protocol):
    """Makes the links of an e-mail that needs its reader's consent."""

    def __call__(self, reader: Reader, *, address: str) -> Links:
        """Return them; ``address`` is where the e-mail goes."""


_NONE: Final = Links()
_SAMPLE: Final = Links(
    unsubscribe="https://notify.example.com/unsubscribe/AbCd", preferences="https://notify.example.com/preferences/AbCd"
)


def no_links(reader: Reader, *, address: str) -> Links:  # noqa: ARG001 (the protocol's signature)
    """Return no links, as where the gateway has no public address."""
    return _NONE


def sample_links(reader: Reader, *, address: str) -> Links:  # noqa: ARG001 (the protocol's signature)
    """Return links that lead nowhere, for trying templates."""
    return _SAMPLE


class LinkMaker:
    """Makes links to the gateway's public address."""

    def __init__(self, box: TokenBox, *, public_url: str) -> None:
        """Take what seals, and the address without a slash at its end."""
        self._box = box
        self._public_url = public_url

    def __call__(self, reader: Reader, *, address: str) -> Links:
        """Return the links of one e-mail.

        A customer whose name is too long for a token has one for their address, which is never too long, and no page of
        preferences; neither has an address that belongs to no customer.
        """
        if reader.customer_id is not None:
            unsubscribe = self._address_of(Purpose.UNSUBSCRIBE, reader)
            if unsubscribe:
                return Links(unsubscribe=unsubscribe, preferences=self._address_of(Purpose.PREFERENCES, reader))
        by_address = Reader(
            org_id=reader.org_id, address=address, category=reader.category, delivery_id=reader.delivery_id
        )
        return Links(unsubscribe=self._address_of(Purpose.UNSUBSCRIBE, by_address))

    def _address_of(self, purpose: Purpose, reader: Reader) -> str:
        token = self._box.seal(purpose, reader)
        return f"{self._public_url}/{purpose}/{token}" if token else ""
