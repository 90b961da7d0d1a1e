"""The hosts that a URL names, each with a URL of its own.

The driver tries them one after the other within one limit of time, so that a first one that says nothing, as a machine
that is gone does, would use it all up.
"""

from collections.abc import Iterator, Sequence
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit


def by_host(url: str) -> Sequence[tuple[str, str]]:
    """Return each host in its order, and the URL with that host alone; a URL with fewer than two stays as it is."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if hosts:
        return [(host, urlunsplit(parts._replace(netloc=f"{user}{at}{host}"))) for host in hosts.split(",")]
    return list(_by_host_of_query(parts)) or [("", url)]


def _by_host_of_query(parts: SplitResult) -> Iterator[tuple[str, str]]:
    """Yield what ``?host=a,b&port=1,2`` names; nothing unless it is several, and one port stands for all."""
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    hosts, ports = (query.get(name, "").split(",") for name in ("host", "port"))
    if len(hosts) > 1:
        for number, host in enumerate(hosts):
            port = ports[min(number, len(ports) - 1)]
            one = query | {"host": host} | ({"port": port} if port else {})
            yield (f"{host}:{port}" if port else host), urlunsplit(parts._replace(query=urlencode(one)))
