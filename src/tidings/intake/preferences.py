"""What readers of e-mails say themselves, by the links that came with them: which messages they want, and which not.

The sealed token of a link is all that is asked for, and all that says who they are. Looking changes nothing. What they
say is on disk when it is answered, and is asked at every attempt at sending: it counts for what waits already.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from tidings.links import Purpose, Reader, TokenBox
from tidings.model import (
    OWNERS_WORD,
    Brand,
    ConsentSource,
    Contact,
    SuppressionReason,
    marked,
    new_suppression,
)
from tidings.rulebook import Rulebooks
from tidings.store import Store
from tidings.telemetry import events, get_logger

log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A reader, and what applies to them now."""

    reader: Reader
    brand: Brand | None
    """Whose messages they get; None when the rulebook has no such brand any more."""
    locale: str | None = None
    """What is known of their language."""
    choices: Mapping[str, bool] = field(default_factory=dict)
    """By category, in the order to show them, whether its messages may come."""


class Preferences:
    """Shows and keeps what readers want."""

    def __init__(self, *, store: Store, rulebooks: Rulebooks, box: TokenBox, clock: Callable[[], int]) -> None:
        self._store = store
        self._rulebooks = rulebooks
        self._box = box
        self._clock = clock

    async def find(self, purpose: Purpose, token: str) -> Standing | None:
        """Return who a token is for and how they stand, or None for a token that is not ours. Changes nothing."""
        reader = self._box.open(purpose, token)
        return None if reader is None else await self._standing(reader)

    async def unsubscribe(self, standing: Standing) -> None:
        """Note that a reader objects to the category of their e-mail; an address without a customer, to all of them.

        Raises:
            StoreUnavailable, Overloaded: nothing was kept.
        """
        reader = standing.reader
        if reader.customer_id is None:
            await self._suppress(reader.org_id, reader.address)
        else:
            await self._say(reader, {reader.category: False}, ConsentSource.UNSUBSCRIBE_LINK)
        _note(reader, ConsentSource.UNSUBSCRIBE_LINK, objects_to=[reader.category])

    async def choose(self, standing: Standing, wanted: Mapping[str, bool]) -> Standing:
        """Keep which categories a reader wants, and return how they stand then; others than theirs are left out.

        Raises:
            StoreUnavailable, Overloaded: it may be kept in part.
        """
        choices = {category: wanted[category] for category in standing.choices if category in wanted}
        contact = await self._say(standing.reader, choices, ConsentSource.PREFERENCE_PAGE)
        if any(choices.values()) and contact is not None and contact.email:
            # They may have had enough of everything before, or said so to their mail provider; this is newer.
            for reason in OWNERS_WORD:
                await self._store.lift(contact.org_id, contact.email, reason=reason)
        _note(
            standing.reader,
            ConsentSource.PREFERENCE_PAGE,
            agrees_to=[category for category, agreed in choices.items() if agreed],
            objects_to=[category for category, agreed in choices.items() if not agreed],
        )
        return await self._standing(standing.reader)

    async def refuse_all(self, standing: Standing) -> Standing:
        """Keep that a reader wants nothing but what they need to know, and return how they stand then.

        Besides the categories there are now, all that was ever said is taken back, and the address that is known is
        kept from those to come.

        Raises:
            StoreUnavailable, Overloaded: it may be kept in part.
        """
        reader = standing.reader
        known = await self._contact(reader)
        categories = dict.fromkeys((*standing.choices, *(known.consents if known else ())), False)
        await self._say(reader, categories, ConsentSource.PREFERENCE_PAGE)
        await self._suppress(reader.org_id, known.email if known else None)
        _note(reader, ConsentSource.PREFERENCE_PAGE, objects_to=list(categories))
        return await self._standing(reader)

    async def _standing(self, reader: Reader) -> Standing:
        rules = self._rulebooks.current.rules
        brand = rules.brands.get(reader.org_id)
        contact = await self._contact(reader)
        locale = contact.locale if contact else None
        if brand is None or reader.customer_id is None:
            return Standing(reader=reader, brand=brand, locale=locale)
        barred = await self._is_barred(contact)
        consents = contact.consents if contact else {}
        choices = {
            category: not barred and brand.consent.allows(category, consents) for category in rules.categories_of(brand)
        }
        return Standing(reader=reader, brand=brand, locale=locale, choices=choices)

    async def _contact(self, reader: Reader) -> Contact | None:
        if reader.customer_id is None:
            return None
        return await self._store.get_contact(reader.org_id, reader.customer_id)

    async def _is_barred(self, contact: Contact | None) -> bool:
        """Say whether the owner of the address has said no to everything."""
        if contact is None or not contact.email:
            return False
        found = await self._store.suppressions_of(contact.org_id, contact.email, now=self._clock())
        return any(each.reason in OWNERS_WORD for each in found)

    async def _say(self, reader: Reader, consents: Mapping[str, bool], source: ConsentSource) -> Contact | None:
        """Keep consents of a customer, known to the directory or not; return the contact as it is then."""
        if consents:
            said = Contact(org_id=reader.org_id, customer_id=reader.customer_id or "", consents=consents)
            await self._store.upsert_contacts([marked(said, source, now=self._clock())])
        return await self._contact(reader)

    async def _suppress(self, org_id: int, address: str | None) -> None:
        if address:
            reason = SuppressionReason.UNSUBSCRIBED
            await self._store.suppress([new_suppression(org_id, address, reason, now=self._clock())])


def _note(
    reader: Reader, source: ConsentSource, *, agrees_to: Collection[str] = (), objects_to: Collection[str] = ()
) -> None:
    """Write down that something was said, by the delivery it came with: neither customer nor address."""
    log.info(
        events.CONSENT_SAID,
        org=reader.org_id,
        delivery=reader.delivery_id,
        source=source.value,
        agrees_to=sorted(agrees_to),
        objects_to=sorted(objects_to),
    )
