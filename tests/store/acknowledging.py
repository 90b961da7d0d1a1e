"""Records events without end and prints the id of each once the store has taken it: started, and killed, by a test."""

import asyncio
import sys

from store_kit import make_event, make_publication
from tidings.store import open_store


async def main(url: str, writer: str) -> None:
    """Record with ten tasks at once."""
    numbers = iter(range(1_000_000))

    async def publish() -> None:
        for number in numbers:
            await store.record([make_publication(make_event(f"e-{number}"))])
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()

    async with open_store(url, apart=writer == "process") as store:
        await asyncio.gather(*(publish() for _ in range(10)))


asyncio.run(main(*sys.argv[1:]))
