"""Keeping a keyring in step with its file."""

import asyncio
from collections.abc import Mapping

from tidings.access.keyfile import InvalidKeyFile, KeyFile
from tidings.access.keyring import Keyring
from tidings.access.keys import Key
from tidings.telemetry import events, get_logger

log = get_logger()

_EVERY_SECONDS = 1.0


async def follow_keys(file: KeyFile, keyring: Keyring, *, every: float = _EVERY_SECONDS) -> None:
    """Take in changes of the file until cancelled; one that cannot be used is told once and changes nothing."""
    seen = file.facts()
    while True:
        await asyncio.sleep(every)
        facts = await asyncio.to_thread(file.facts)
        if facts == seen:
            continue
        seen = facts
        try:
            keys: Mapping[str, Key] = await asyncio.to_thread(file.read)
        except InvalidKeyFile as error:
            log.warning(events.KEYS_REFUSED, error=str(error))
        else:
            keyring.replace(keys)
            log.info(events.KEYS_LOADED, keys=len(keys))
