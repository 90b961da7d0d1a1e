"""A PostgreSQL that follows another by streaming replication, and can take its place."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from postgres_kit import Cluster, a_cluster


@contextmanager
def primary_and_standby() -> Iterator[tuple[Cluster, Cluster]]:
    """Two servers; what the first commits is on the second's disk before anybody hears of it."""
    with a_cluster(durable=True) as primary, tempfile.TemporaryDirectory(prefix="tidings-pg-") as folder:
        standby = Cluster(Path(folder), durable=True, copy_of=primary)
        standby.start()
        primary.tell("ALTER SYSTEM SET synchronous_standby_names = '*'", "SELECT pg_reload_conf()")
        try:
            yield primary, standby
        finally:
            standby.stop(at_once=True)


def either(first: Cluster, second: Cluster, **options: str) -> str:
    """Return the URL of whichever takes writes."""
    hosts = quote(f"{first.folder},{second.folder}")
    return first.url("postgres", **options).replace(quote(str(first.folder)), hosts)
