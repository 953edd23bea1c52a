"""
The private PostgreSQL of a system that was given none.

It is a process of its own: it outlives the controller that started it, and the next controller adopts it. One process
at a time owns it, that is, starts it again when it dies, and stops it; others join.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from octavia_tx.db.postmaster import forget_dead, running
from octavia_tx.db.programs import Binaries, Child, choose, environment, installed, prefix, run
from octavia_tx.db.transaction import shielded
from octavia_tx.errors import DatabaseUnavailable

log = Logger()

SOCKET_PATH_LIMIT = 107
"""Bytes that the name of a Unix socket may have."""

SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "dynamic_shared_memory_type": "mmap",  # within the data directory, so that a killed server leaves nothing elsewhere
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_checkpoints": "off",
}


class EmbeddedPostgres:
    """
    A PostgreSQL server of our own under a directory, reached through a Unix socket only.

    @param directory: made when missing, mode 0700; holds all of its state and its log.
    @param binaries: the installation to use, instead of the system's newest or else the installed package's.
    """

    START = 60.0
    """Seconds that a server may take to start, crash recovery included."""
    STOP = 20.0
    """Seconds that it may take to stop."""
    POLL = 0.05
    WATCH = 0.3
    """Seconds between looks at an adopted server, and before a dead one is started again."""

    def __init__(self, reactor: Any, directory: Path, binaries: Binaries | None = None) -> None:
        self._reactor = reactor
        self._home = Path(os.path.abspath(directory))
        self._data = self._home / "data"
        self._log = self._home / "postgresql.log"
        self._binaries = binaries
        self._prefix: tuple[str, ...] | None = None
        self._child: Child | None = None
        self._lock: int | None = None
        self._watching: Deferred[None] | None = None

    async def start(self) -> str:
        """
        Start the server and own it, or adopt the one that runs there already. While another process owns it: join.

        @return: its connection string.
        @raise SettingsError: no PostgreSQL to embed, one of the wrong version, or root can't be somebody else.
        @raise DatabaseUnavailable: it doesn't start; the sentence has its own reason.
        """
        self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home.chmod(0o700)
        if not self._own():
            return await self.join()
        while (server := running(self._data)) is not None and not server.ready:
            await deferLater(self._reactor, self.POLL)  # the last owner is stopping it, or it was starting
        if server is None:
            await self._launch()
        else:
            log.info("Adopting the PostgreSQL server that runs in {home}", home=str(self._home))
        dsn = await self.join()
        self._watching = Deferred.fromCoroutine(self._watch())
        self._watching.addErrback(lambda failure: failure.trap(CancelledError))
        self._watching.addErrback(
            lambda failure: log.failure("The embedded PostgreSQL isn't watched any more", failure)
        )
        return dsn

    async def join(self) -> str:
        """
        Wait for the server that another process starts, and return its connection string.

        @raise DatabaseUnavailable: there's none.
        """
        waited = 0.0
        while waited < self.START:
            server = running(self._data)
            if server is not None and server.ready:
                return server.dsn
            if self._child is not None and self._child.over:
                raise DatabaseUnavailable(f"PostgreSQL in {self._home} didn't start: {self._last_words()}")
            await deferLater(self._reactor, self.POLL)
            waited += self.POLL
        raise DatabaseUnavailable(f"No PostgreSQL takes connections in {self._home}; see {self._log}.")

    async def stop(self) -> None:
        """Stop the server if we own it: connections are ended, what is committed is safe. Twice is no error."""
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await watching
        if self._lock is None:
            return
        if await self._ends("INT", signal.SIGINT, self.STOP) or await self._ends("QUIT", signal.SIGQUIT, self.STOP):
            short = self._short_directory()
            if short.is_dir() and short.stat().st_uid in (os.geteuid(), self._home.stat().st_uid):
                shutil.rmtree(short, ignore_errors=True)
        else:
            log.error("PostgreSQL in {home} doesn't stop", home=str(self._home))
        os.close(self._lock)
        self._lock = None

    # Owning.

    def _own(self) -> bool:
        """Whether we are the only owner; the lock goes with our process, whatever ends it."""
        if self._lock is not None:
            return True
        lock = os.open(self._home / "owner.lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            return False
        self._lock = lock
        return True

    async def _watch(self) -> None:
        """Start the server again whenever it dies."""
        while True:
            await self._gone()
            log.warn("PostgreSQL in {home} died; starting it again", home=str(self._home))
            try:
                await self._launch()
                await self.join()
            except DatabaseUnavailable as error:
                # Its old processes hold its memory until they noticed their parent's death.
                log.warn("{error}", error=str(error))
            await deferLater(self._reactor, self.WATCH)

    async def _gone(self) -> None:
        if self._child is not None:
            if not self._child.over:
                await shielded(self._child.ended)
            return
        while running(self._data) is not None:
            await deferLater(self._reactor, self.WATCH)

    async def _ends(self, name: str, number: signal.Signals, seconds: float) -> bool:
        """Ask the server to end, and wait. Whether it did."""
        server = running(self._data)
        if self._child is not None and not self._child.over:
            self._child.signal(name)
        elif server is not None:
            os.kill(server.pid, number)
        waited = 0.0
        while waited < seconds:
            if running(self._data) is None and (self._child is None or self._child.over):
                return True
            await deferLater(self._reactor, self.POLL)
            waited += self.POLL
        return False

    # Starting.

    async def _launch(self) -> None:
        """Make the data directory where there's none, and start the server."""
        binaries = self._binaries or choose(self._data, tuple(installed()))
        if self._prefix is None:
            self._prefix = await prefix(self._reactor, self._home, binaries)
        if not self._data.exists():
            await self._initialise(binaries)
        forget_dead(self._data)
        socket = self._socket_directory()
        settings = {**SETTINGS, "unix_socket_directories": str(socket)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        command = [*self._prefix, binaries.program("postgres"), "-D", str(self._data), *options]
        self._child = self._spawn(command)

    async def _initialise(self, binaries: Binaries) -> None:
        """Make the data directory: complete, or not at all."""
        fresh = self._home / "data.new"
        shutil.rmtree(fresh, ignore_errors=True)
        log.info("Making a PostgreSQL {major} database in {home}", major=binaries.major, home=str(self._home))
        assert self._prefix is not None
        initdb = [*self._prefix, binaries.program("initdb"), "-D", str(fresh), "-U", "octavia", "-A", "trust"]
        code, output = await run(self._reactor, [*initdb, "-E", "UTF8", "--locale=C", "--no-instructions"])
        if code != 0:
            raise DatabaseUnavailable(f"PostgreSQL's initdb failed in {self._home}: {output.strip()[-500:]}")
        fresh.rename(self._data)

    def _spawn(self, command: list[str]) -> Child:
        """A server in a session of its own, so that what ends us by the terminal doesn't end it."""
        if self._log.exists() and self._log.stat().st_size > 8_000_000:
            self._log.rename(self._log.with_suffix(".log.1"))
        child = Child()
        nothing = os.open(os.devnull, os.O_RDONLY)
        log_file = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        command = ["/usr/bin/env", "setsid", *command] if shutil.which("setsid") else command
        try:
            self._reactor.spawnProcess(
                child, command[0], command, env=environment(), childFDs={0: nothing, 1: log_file, 2: log_file}
            )
        finally:
            os.close(nothing)
            os.close(log_file)
        return child

    def _socket_directory(self) -> Path:
        """Where the socket goes: our own directory, or a short one where its name would be too long."""
        if len(os.fsencode(self._home / ".s.PGSQL.5432")) <= SOCKET_PATH_LIMIT:
            return self._home
        short = self._short_directory()
        owner = self._home.stat()
        try:
            short.mkdir(mode=0o700)
            os.chown(short, owner.st_uid, owner.st_gid)
        except FileExistsError:
            found = short.lstat()
            if short.is_symlink() or found.st_uid != owner.st_uid or found.st_mode & 0o077:
                raise DatabaseUnavailable(f"{short}, for PostgreSQL's socket, exists and isn't ours alone.") from None
        return short

    def _short_directory(self) -> Path:
        digest = hashlib.sha256(os.fsencode(self._home)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"octavia-tx-{digest}"

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").strip().splitlines() if self._log.exists() else []
        return lines[-1] if lines else "it said nothing."
