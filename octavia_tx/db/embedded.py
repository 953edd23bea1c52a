"""
The private PostgreSQL of a system that was given none.

It is a process of its own: it outlives the controller that started it, and the next controller adopts it. One process
at a time owns it, that is, starts it again when it dies, and stops it. Another controller waits to own it next: to that
one it is left, running, by an owner that ends. Other daemons only join.
"""

from __future__ import annotations

import contextlib
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

from octavia_tx.db.ownership import Ownership
from octavia_tx.db.postmaster import SOCKET, Postmaster, forget_dead, running
from octavia_tx.db.programs import Binaries, Child, choose, environment, installed, prefix, run
from octavia_tx.errors import DatabaseUnavailable, SettingsError

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

STILL_THERE = ("lock file", "pre-existing shared memory block")
"""What a server says that ends at its start because the last one's processes aren't all gone yet."""


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
    SETTLE = 0.1
    """Seconds after which a server that runs is looked at again: one that was killed just now looks alive a while."""
    WATCH = 0.3
    """Seconds between looks at the server, or at whether its owner is gone."""
    LEAVE = 5.0
    """Seconds that what is left of a dead server may take to go before the next one's start has failed."""
    RETRY = 1.0
    """Seconds after a start that failed until the next."""

    def __init__(self, reactor: Any, directory: Path, binaries: Binaries | None = None) -> None:
        self._reactor = reactor
        self._home = Path(os.path.abspath(directory))
        self._data = self._home / "data"
        self._log = self._home / "postgresql.log"
        self._binaries = binaries
        self._prefix: tuple[str, ...] | None = None
        self._child: Child | None = None
        self._ownership = Ownership(self._home)
        self._adopted = 0
        self._logged = 0
        self._watching: Deferred[None] | None = None

    async def start(self) -> str:
        """
        Start the server and own it, or adopt the one that runs there already. While another process owns it: join, and
        own it when that one is gone.

        @return: its connection string, the same whoever owns it.
        @raise SettingsError: no PostgreSQL to embed, one of the wrong version, or root can't be somebody else.
        @raise DatabaseUnavailable: it doesn't start; the sentence has its own reason.
        """
        try:
            self._home.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._home.chmod(0o700)
            dsn = await self._owned_or_joined()
        except OSError as error:
            raise DatabaseUnavailable(f"PostgreSQL in {self._home} can't be started: {error}") from error
        self._watching = Deferred.fromCoroutine(self._watch())
        self._watching.addErrback(lambda failure: failure.trap(CancelledError))
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
        raise self._nobody_answers()

    async def stop(self) -> None:
        """
        Stop the server if we own it and nobody waits to: connections are ended, what is committed is safe. Twice is no
        error.
        """
        watching, self._watching = self._watching, None
        if watching is not None:
            watching.cancel()
            await watching
        if not self._last():
            return
        if await self._ends("INT", signal.SIGINT, self.STOP) or await self._ends("QUIT", signal.SIGQUIT, self.STOP):
            short = self._short_directory()
            if short.is_dir() and short.stat().st_uid in (os.geteuid(), self._home.stat().st_uid):
                shutil.rmtree(short, ignore_errors=True)
        else:
            log.error("PostgreSQL in {home} doesn't stop", home=str(self._home))
        self._ownership.release()

    # Owning.

    async def _owned_or_joined(self) -> str:
        deadline = self._reactor.seconds() + self.START
        seen = 0
        while not self._ownership.claim():
            self._ownership.wait()
            server = running(self._data)
            if server is not None and server.ready and server.pid == seen:
                return server.dsn
            seen = server.pid if server is not None else 0
            if self._reactor.seconds() > deadline:
                raise self._nobody_answers()
            await deferLater(self._reactor, self.SETTLE)
        self._ownership.wait_no_more()
        return await self._serve()

    def _last(self) -> bool:
        """Whether the server is ours to stop. Else it is another's by now, who owns it or waited to."""
        waited = self._ownership.wait_no_more()
        # The owner may have left it to us just now, and two who leave it to each other would leave it running.
        if not self._ownership.held and not (waited and self._ownership.claim()):
            return False
        if not self._ownership.awaited():
            return True
        log.info("Leaving the PostgreSQL server in {home} to the next owner", home=str(self._home))
        self._ownership.release()
        return not self._ownership.awaited() and self._ownership.claim()

    async def _watch(self) -> None:
        """Own the server as soon as nobody else does, and start it again whenever it dies. Only cancelling ends it."""
        while True:
            try:
                if self._ownership.claim():
                    self._ownership.wait_no_more()
                    await self._serve()
                    await self._gone()
                    log.warn("PostgreSQL in {home} died; starting it again", home=str(self._home))
                    continue
                self._ownership.wait()
                delay = self.WATCH
            except (OSError, DatabaseUnavailable, SettingsError) as error:
                log.error("PostgreSQL in {home}: {error}", home=str(self._home), error=str(error))
                delay = self.RETRY
            except CancelledError:
                raise
            except Exception:  # noqa: BLE001  the boundary: whatever it is, the server is needed all the same
                log.failure("PostgreSQL in {home} isn't served", home=str(self._home))
                delay = self.RETRY
            await deferLater(self._reactor, delay)

    async def _serve(self) -> str:
        """Have the server run: the one that does, or a new one. Its connection string."""
        deadline = self._reactor.seconds() + self.START
        patience = self._reactor.seconds() + self.LEAVE
        while True:
            server = running(self._data)
            if server is not None and self._child_is_over() and server.pid != self._adopted:
                self._adopted = server.pid
                log.info("Adopting the PostgreSQL server that runs in {home}", home=str(self._home))
                await deferLater(self._reactor, self.SETTLE)
                continue
            if server is None and self._child_is_over():
                await self._launch()
            elif server is not None and not server.ready:
                if self._reactor.seconds() > deadline:
                    raise self._nobody_answers()
                self._hurry(server)
                await deferLater(self._reactor, self.POLL)
                continue
            try:
                return await self.join()
            except DatabaseUnavailable:
                in_the_way = self._child_is_over() and any(words in self._last_words() for words in STILL_THERE)
                if not in_the_way or self._reactor.seconds() > patience:
                    raise
            await deferLater(self._reactor, self.WATCH)

    async def _gone(self) -> None:
        while (server := running(self._data)) is not None or not self._child_is_over():
            if server is not None:
                self._hurry(server)
            await deferLater(self._reactor, self.WATCH)

    def _hurry(self, server: Postmaster) -> None:
        """End a server that stops already, and so takes no new connections, without waiting for the old ones' end."""
        if server.stopping:
            with contextlib.suppress(ProcessLookupError):
                os.kill(server.pid, signal.SIGINT)

    def _child_is_over(self) -> bool:
        return self._child is None or self._child.over

    async def _ends(self, name: str, number: signal.Signals, seconds: float) -> bool:
        """Ask the server to end, and wait. Whether it did."""
        server = running(self._data)
        if self._child is not None and not self._child.over:
            self._child.signal(name)
        elif server is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(server.pid, number)
        waited = 0.0
        while waited < seconds:
            if running(self._data) is None and self._child_is_over():
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
        socket = self._socket_directory()
        forget_dead(self._data, socket)
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
        with contextlib.ExitStack() as opened:
            nothing = os.open(os.devnull, os.O_RDONLY)
            opened.callback(os.close, nothing)
            log_file = os.open(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            opened.callback(os.close, log_file)
            self._logged = os.fstat(log_file).st_size
            command = ["/usr/bin/env", "setsid", *command] if shutil.which("setsid") else command
            self._reactor.spawnProcess(
                child, command[0], command, env=environment(), childFDs={0: nothing, 1: log_file, 2: log_file}
            )
        return child

    def _socket_directory(self) -> Path:
        """Where the socket goes: our own directory, or a short one where its name would be too long."""
        if len(os.fsencode(self._home / SOCKET)) <= SOCKET_PATH_LIMIT:
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

    def _nobody_answers(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"No PostgreSQL takes connections in {self._home}; see {self._log}.")

    def _last_words(self) -> str:
        """What the server that we started last said; of much, the end."""
        try:
            with self._log.open("rb") as log_file:
                log_file.seek(self._logged)
                said = log_file.read(65536).decode("utf-8", "replace").strip()
        except OSError as error:
            return f"its log can't be read: {error}"
        return said[-1000:] or "it said nothing."
