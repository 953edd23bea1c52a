"""An embedded PostgreSQL in a directory of its own, and other processes that own one."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from octavia_tx.db.database import Database
from octavia_tx.db.embedded import EmbeddedPostgres
from octavia_tx.db.migrations import migrate
from octavia_tx.db.postmaster import running
from octavia_tx.db.programs import Child
from octavia_tx.errors import DatabaseUnavailable
from tests.integration.postgres import fastest_directory

OWNER = """
import sys
from pathlib import Path
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from octavia_tx.db.embedded import EmbeddedPostgres

embedded = EmbeddedPostgres(reactor, Path(sys.argv[1]))

async def own():
    print(await embedded.start(), flush=True)

reactor.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(embedded.stop()))

Deferred.fromCoroutine(own())
reactor.run()
"""

# Whose orphaned descendants stay zombies: it is their init (PR_SET_CHILD_SUBREAPER), and never reaps.
NEVER_REAPING = """
import ctypes, signal, subprocess, sys
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
owner = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE, text=True)
dsn = owner.stdout.readline().strip()
print(dsn, owner.pid, sep="|", flush=True)
signal.alarm(120)
signal.pause()
"""


class Owner(Child):
    """A process that owns an embedded server; C{dsn} fires when it does."""

    def __init__(self) -> None:
        super().__init__()
        self.dsn: Deferred[str] = Deferred()

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        super().childDataReceived(childFD, data)
        if b"\n" in self.output and not self.dsn.called:
            self.dsn.callback(self.output.decode().splitlines()[0])


class EmbeddedCase(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="otx-", dir=fastest_directory())) / "postgresql"
        self.addCleanup(shutil.rmtree, self.directory.parent)

    def embedded(self, directory: Path | None = None) -> EmbeddedPostgres:
        made = EmbeddedPostgres(reactor, directory or self.directory)
        self.addCleanup(lambda: Deferred.fromCoroutine(made.stop()))
        return made

    def pid(self) -> int:
        server = running(self.directory / "data")
        assert server is not None
        return server.pid

    async def answers(self, dsn: str) -> bool:
        """Whether the database there takes a transaction."""
        database = Database(reactor, dsn)
        try:
            return await migrate(database) > 0
        finally:
            await database.stopService()

    async def answers_within(self, dsn: str, seconds: float) -> None:
        end = time.monotonic() + seconds
        while True:
            try:
                await self.answers(dsn)
                return
            except DatabaseUnavailable:
                if time.monotonic() > end:
                    raise
            await deferLater(reactor, 0.05)

    async def owner(self) -> tuple[Owner, str]:
        """Another process that owns the server."""
        owner = self.process("-c", OWNER, str(self.directory))
        return owner, await owner.dsn

    async def owner_under_one_that_never_reaps(self) -> tuple[int, str]:
        """The same; its process id. What it leaves behind stays a zombie."""
        init = self.process("-c", NEVER_REAPING, "-c", OWNER, str(self.directory))
        dsn, _, pid = (await init.dsn).partition("|")
        return int(pid), dsn

    def process(self, *arguments: str) -> Owner:
        owner = Owner()
        reactor.spawnProcess(  # type: ignore[attr-defined]
            owner, sys.executable, [sys.executable, *arguments], env=dict(os.environ)
        )

        async def end() -> None:
            owner.signal("KILL")
            if not owner.over:
                await owner.ended
            last = EmbeddedPostgres(reactor, self.directory)
            await last.start()
            await last.stop()

        self.addCleanup(lambda: Deferred.fromCoroutine(end()))
        return owner

    async def until(self, what: Callable[[], bool], seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not what():
            self.assertLess(time.monotonic(), end, "it doesn't come true")
            await deferLater(reactor, 0.05)
