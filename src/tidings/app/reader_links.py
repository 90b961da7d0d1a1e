"""What makes and opens the links of e-mails, as configured."""

from tidings.config import Settings, read_secret
from tidings.errors import InvalidConfiguration
from tidings.links import LinkMaker, MakeLinks, TokenBox, UnsubscribeSettings, UnusableSecret, no_links


def token_box(settings: UnsubscribeSettings) -> TokenBox:
    """Return what opens the links of e-mails; without a secret it opens none.

    Raises:
        InvalidConfiguration: a secret is missing or too short.
    """
    values = []
    for reference in settings.secrets:
        value = read_secret(reference)
        if value is None:
            raise InvalidConfiguration(f"unsubscribe.secret: there is no secret {reference}")
        values.append(value)
    try:
        return TokenBox(values)
    except UnusableSecret as error:
        raise InvalidConfiguration(f"unsubscribe.secret: {error}") from error


def link_maker(settings: Settings, box: TokenBox) -> MakeLinks:
    """Return what makes the links of e-mails; nothing does where nobody could follow them."""
    return no_links if settings.http.public_url is None else LinkMaker(box, public_url=settings.http.public_url)
