"""Forgetting a customer everywhere, on request."""

import asyncio
from collections.abc import Callable
from typing import Final

from tidings.store import Erasure, Person, Store

_TRIES: Final = 20
_PAUSE_SECONDS: Final = 0.5


class EraseContact:
    """Erases a customer; what is just being sent to them is waited for, within bounds."""

    def __init__(self, store: Store, *, clock: Callable[[], int]) -> None:
        self._store = store
        self._clock = clock

    async def __call__(self, org_id: int, customer_id: str, *, addresses: tuple[str, ...] = ()) -> Erasure:
        """Erase a customer, with the address that the directory has for them and further ones that are theirs.

        Returns:
            How much was erased; with ``under_way`` above zero not all was, and it is to be done again.

        Raises:
            StoreUnavailable: some of it may be done; it may be done again.
        """
        contact = await self._store.get_contact(org_id, customer_id)
        known = (contact.email,) if contact is not None and contact.email else ()
        person = Person(org_id=org_id, customer_id=customer_id, addresses=(*dict.fromkeys((*known, *addresses)),))
        done = await self._store.erase(person, now=self._clock())
        for _ in range(_TRIES):
            if not done.under_way:
                break
            await asyncio.sleep(_PAUSE_SECONDS)
            done = done + await self._store.erase(person, now=self._clock())
        return done
