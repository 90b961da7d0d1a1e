"""The store on PostgreSQL, shared by any number of gateway processes.

Each process has three connections that write with group commit, two that read and one that listens.
What processes must not do at the same time they keep apart by locks of the database that end with their
transaction, so that a pooler may stand between. ``driver`` alone names asyncpg; the SQL stands in ``sql``
and ``migrations``.
"""

from tidings.store.postgres.settings import PostgresSettings, read_url
from tidings.store.postgres.store import open_postgres

__all__ = ["PostgresSettings", "open_postgres", "read_url"]
