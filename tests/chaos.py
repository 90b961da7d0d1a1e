"""Kill -9 at random moments, again and again: is anything lost, is anything sent twice without need?

Run it with ``make chaos`` (200 kills) or ``make chaos KILLS=50``; with ``STORE=postgres`` three gateways share a
PostgreSQL, and pauses and crashes of the database take turns with kills. ``SEED=`` throws the dice of an earlier run.
"""

import argparse
import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from chaos_kit import Account
from chaos_postgres_kit import chaos_of_replicas
from chaos_sqlite_kit import chaos


def show_progress(kills: int) -> Callable[[Account], None]:
    """Return what writes a line after each kill, over the one before on a terminal."""
    began = time.monotonic()
    end = "\r" if sys.stdout.isatty() else "\n"

    def tell(account: Account) -> None:
        spent = time.monotonic() - began
        left = spent / account.kills * (kills - account.kills)
        sys.stdout.write(f"{account.kills:4d} of {kills}, {left:4.0f} s to go: {account}{end}")
        sys.stdout.flush()

    return tell


def main() -> int:
    """Run, print the account, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--seed", type=int, default=secrets.randbelow(2**32))
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tidings-chaos-") as name:
        run = chaos if given.store == "sqlite" else chaos_of_replicas
        account = asyncio.run(run(Path(name), kills=given.kills, seed=given.seed, tell=show_progress(given.kills)))
    faults = list(account.faults())
    sys.stdout.write(f"\n{account}\n" + "".join(f"FAULT: {fault}\n" for fault in faults))
    sys.stdout.write(f"seed {given.seed}: {'failed' if faults else 'nothing lost, no needless repeat'}\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
