"""How the PostgreSQL store connects: through a pooler, and over TLS."""

import ssl
import tempfile
from pathlib import Path

import pytest
import trustme

from pooler_kit import pooler
from postgres_kit import a_cluster, database_url, free_port, needs_postgres, shared_cluster
from store_kit import T0, by_hand, make_event, make_publication, make_publications, settlement, state_of
from tidings.errors import StoreUnavailable
from tidings.model import Cause, State
from tidings.store import Claim, DeliveryFilter, Limit, Retention, open_store

pytestmark = needs_postgres


async def test_a_pooler_that_hands_out_connections_by_the_transaction_may_stand_between(tmp_path: Path) -> None:
    cluster = shared_cluster()
    database = (await database_url(cluster, tmp_path)).partition("@/")[2].partition("?")[0]
    with tempfile.TemporaryDirectory() as folder:  # a socket's path must be short
        async with pooler(Path(folder), cluster.folder / ".s.PGSQL.5432", database, servers=3) as between:
            url = f"postgresql://tidings@/{database}?host={folder}&sslmode=disable&statement_cache_size=0&listen=false"
            async with open_store(url) as store:
                await store.record(make_publications(20))
                await store.record([make_publication(make_event(f"l-{number}"), lane="a") for number in range(3)])
                leased = await store.lease(now=T0 + 50, until=T0 + 900, limit=30)
                limits = (Limit(key="k", limit=1, per=10),)
                claim = Claim(org_id=1, delivery_id=leased[0].delivery.id, limits=limits, now=T0)
                assert await store.reserve(claim) == (None,)
                assert all(await store.settle([settlement(each, Cause.REFUSED) for each in leased]))
                await store.intervene_all(DeliveryFilter(), by_hand(Cause.REQUEUED), limit=2)
                assert await state_of(store, leased[5].delivery.id) in (State.DEAD, State.WAITING)
                await store.purge(Retention(events_before=0, deliveries_before=T0 + 10**6), limit=100)
                assert (await store.backlog()).counts[State.WAITING] == 4
                await store.check()
            shared = [servers for servers in between.used.values() if len(servers) > 1]
            assert len(between.used) >= 5, "each lane has a connection"
            assert shared, "a client met more than one server"


async def test_tls_is_as_the_url_says(tmp_path: Path) -> None:
    authority, other = trustme.CA(), trustme.CA()
    with a_cluster(durable=False) as cluster:
        cluster.stop()
        cluster.own("server.pem", authority.issue_cert("localhost"))
        port = free_port()
        cluster.start(
            listen_addresses="127.0.0.1",
            port=str(port),
            ssl="on",
            ssl_cert_file=str(cluster.folder / "server.pem"),
            ssl_key_file=str(cluster.folder / "server.pem"),
        )
        for name, ca in (("ca.pem", authority), ("other.pem", other)):
            ca.cert_pem.write_to_path(str(tmp_path / name))
        url = f"postgresql://tidings@localhost:{port}/postgres?sslmode=verify-full&sslrootcert={tmp_path}"
        async with open_store(f"{url}/ca.pem") as store:
            await store.check()
        with pytest.raises(StoreUnavailable, match="certificate verify failed") as caught:
            async with open_store(f"{url}/other.pem"):
                pass
        assert isinstance(caught.value.__cause__, ssl.SSLError)
