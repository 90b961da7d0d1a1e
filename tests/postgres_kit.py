"""A PostgreSQL of the tests' own: a private folder, a Unix socket in it, and nothing on the network.

One cluster serves a test process; every test has a database of its own in it. A cluster whose faults are tested is
a test's own, and keeps what it commits through a crash.
"""

import atexit
import functools
import hashlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from urllib.parse import quote

import asyncpg
import pytest
import trustme

from tidings.store import Store, open_store

_USER = "nobody"
"""Who runs the server when the tests run as root, whom PostgreSQL refuses."""


def _programs() -> Path | None:
    """Return the folder of PostgreSQL's server programs; Debian does not put them on the PATH."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((each for each in places if (each / "postgres").exists() and (each / "initdb").exists()), None)


PROGRAMS = _programs()

needs_postgres = pytest.mark.skipif(PROGRAMS is None, reason="PostgreSQL's server programs are not on this machine")


class Cluster:
    """A server that can be stopped and started; databases in it by name."""

    def __init__(self, folder: Path, *, durable: bool, copy_of: "Cluster | None" = None) -> None:
        self.folder = folder
        self._durable = durable
        self._server: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:
            shutil.chown(folder, _USER)
        if copy_of is None:  # copying takes a tenth of the time of making
            subprocess.run(_as_nobody("cp", "-a", str(_made_data()), str(folder / "data")), check=True)
        else:
            follow = ("-h", str(copy_of.folder), "-U", "tidings", "--write-recovery-conf", "--checkpoint=fast")
            self._run("pg_basebackup", *follow, "--no-sync")

    def url(self, database: str, **options: str) -> str:
        query = "".join(f"&{name}={quote(value)}" for name, value in options.items())
        return f"postgresql://tidings@/{database}?host={quote(str(self.folder))}{query}"

    def start(self, **settings: str) -> None:
        """Start the server; return when it answers."""
        options = {
            "listen_addresses": "",
            "port": "5432",
            "unix_socket_directories": str(self.folder),
            "shared_buffers": "16MB",
            "max_connections": "60",
            "log_min_messages": "fatal",
            "fsync": "on" if self._durable else "off",
            "full_page_writes": "on" if self._durable else "off",
        } | settings
        arguments = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
        self._port = options["port"]
        self._server = subprocess.Popen(self._command("postgres", *arguments), stderr=subprocess.DEVNULL)
        for _ in range(300):
            if self._answers():
                return
            assert self._server.poll() is None, "PostgreSQL has ended"
            time.sleep(0.05)
        raise AssertionError("PostgreSQL does not answer")

    def own(self, name: str, certificate: trustme.LeafCert) -> None:
        """Put a certificate with its key where only the server can read it."""
        path = self.folder / name
        certificate.private_key_and_cert_chain_pem.write_to_path(str(path))
        path.chmod(0o600)
        if os.getuid() == 0:
            shutil.chown(path, _USER)

    def tell(self, *statements: str) -> None:
        """Have statements executed as an administrator does."""
        commands = [argument for each in statements for argument in ("-c", each)]
        place = ("-h", str(self.folder), "-p", self._port, "-U", "tidings", "-d", "postgres")
        subprocess.run(
            self._command("psql", "-qX", *place, *commands, data=False), check=True, stdout=subprocess.DEVNULL
        )

    def admit(self, *rules: str) -> None:
        """Let in by these rules, as ``pg_hba.conf`` has them, and by no others."""
        (self.folder / "data" / "pg_hba.conf").write_text("\n".join(rules) + "\n")
        self.tell("SELECT pg_reload_conf()")

    @contextmanager
    def standing_still(self) -> Iterator[None]:
        """Let no process of the server do anything, as on a disk that does not answer."""
        paused = self.pids
        for pid in paused:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in paused:
                os.kill(pid, signal.SIGCONT)

    def promote(self) -> None:
        """Let a standby take writes."""
        self._run("pg_ctl", "promote", "-w")

    @property
    def runs(self) -> bool:
        """Whether the server has not ended by itself."""
        return self._server is not None and self._server.poll() is None

    @property
    def pids(self) -> list[int]:
        """The server's processes, the one that started the others first."""
        assert self._server is not None
        first = self._server.pid
        return [first, *map(int, Path(f"/proc/{first}/task/{first}/children").read_text().split())]

    def stop(self, *, at_once: bool = False) -> None:
        """Stop the server: in order, or as a crash would."""
        if self.runs:
            self._run("pg_ctl", "stop", "-m", "immediate" if at_once else "fast", "-w")
        if self._server is not None:
            self._server.wait(timeout=30)
            self._server = None

    def _answers(self) -> bool:
        ready = self._command("pg_isready", "-h", str(self.folder), "-p", self._port, "-q", data=False)
        return subprocess.run(ready, check=False).returncode == 0

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(self._command(program, *arguments), check=True, stdout=subprocess.DEVNULL)

    def _command(self, program: str, *arguments: str, data: bool = True) -> list[str]:
        return _command(program, *(["-D", str(self.folder / "data")] if data else []), *arguments)


def _command(program: str, *arguments: str) -> list[str]:
    assert PROGRAMS is not None
    return _as_nobody(str(PROGRAMS / program), *arguments)


def _as_nobody(*command: str) -> list[str]:
    if os.getuid() != 0:
        return list(command)
    as_nobody = ["setpriv", f"--reuid={_USER}", f"--regid={_group()}", "--clear-groups", "--pdeathsig=INT"]
    return [*as_nobody, *command]


@functools.cache
def _made_data() -> Path:
    """Return a folder of data as initdb makes it, which every cluster of this test process begins with."""
    folder = Path(tempfile.mkdtemp(prefix="tidings-pg-data-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if os.getuid() == 0:
        shutil.chown(folder, _USER)
    making = ["-U", "tidings", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--wal-segsize=4"]
    making += ["-D", str(folder / "data")]
    subprocess.run(_command("initdb", *making), check=True, stdout=subprocess.DEVNULL)
    return folder / "data"


def free_port() -> int:
    """Return a port of this machine's that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _group() -> str:
    import grp
    import pwd

    return grp.getgrgid(pwd.getpwnam(_USER).pw_gid).gr_name


@contextmanager
def a_cluster(*, durable: bool, within: Path | None = None, **settings: str) -> Iterator[Cluster]:
    """A server that is started, for the length of a test."""
    with tempfile.TemporaryDirectory(prefix="tidings-pg-", dir=within) as folder:  # a socket's path must be short
        cluster = Cluster(Path(folder), durable=durable)
        cluster.start(**settings)
        try:
            yield cluster
        finally:
            cluster.stop(at_once=True)


@functools.cache
def shared_cluster() -> Cluster:
    """The server of this test process; it ends with it."""
    if PROGRAMS is None:
        pytest.skip("PostgreSQL's server programs are not on this machine")
    running = a_cluster(durable=False)
    cluster = running.__enter__()
    atexit.register(running.__exit__, None, None, None)
    return cluster


_KEPT = 8
"""How many databases of tests are kept, for one is a few megabytes; a test opens its own again at once or never."""
_databases: list[str] = []


_migrated: list[str] = []
"""The database with nothing but the tables, once there is one: what most tests begin with is copied from it."""


async def database_url(cluster: Cluster, folder: Path, **options: str) -> str:
    """Return the URL of the empty database that belongs to a test's folder, made if it is not there."""
    return await _database_url(cluster, folder, "template1", **options)


@asynccontextmanager
async def open_in_shared_cluster(folder: Path) -> AsyncIterator[Store]:
    """Open the store that belongs to a test's folder."""
    cluster = shared_cluster()
    if not _migrated:
        async with open_store(await database_url(cluster, Path("migrated"))):
            _migrated.append(_databases.pop())
    async with open_store(await _database_url(cluster, folder, _migrated[0])) as store:
        yield store


async def _database_url(cluster: Cluster, folder: Path, template: str, **options: str) -> str:
    name = "t" + hashlib.sha256(str(folder).encode()).hexdigest()[:20]
    if name not in _databases:
        _databases.append(name)
        connection = await asyncpg.connect(cluster.url("postgres"))
        try:
            for old in _databases[:-_KEPT]:
                await connection.execute(f"DROP DATABASE IF EXISTS {old} WITH (FORCE)")
            # File by file: through the log, which is the usual way since version 15, takes five times as long.
            strategy = "STRATEGY FILE_COPY" if connection.get_server_version().major >= 15 else ""
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE {template} {strategy}")
        finally:
            await connection.close()
        del _databases[:-_KEPT]
    return cluster.url(name, **options)
