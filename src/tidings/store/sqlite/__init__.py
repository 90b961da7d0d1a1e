"""The store on one SQLite file, for one gateway process.

One thread writes, with group commit and ``synchronous=FULL``: what is answered survives a power cut.
Two threads read beside it. ``driver`` alone names sqlite3; the SQL stands in ``sql`` and ``migrations``.
"""

from tidings.store.sqlite.driver import SqliteSettings
from tidings.store.sqlite.store import open_sqlite

__all__ = ["SqliteSettings", "open_sqlite"]
