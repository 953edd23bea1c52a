"""The embedded PostgreSQL: started, adopted, restarted, and gone without a trace."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from octavia_tx.db.database import Database
from octavia_tx.db.embedded import EmbeddedPostgres
from octavia_tx.db.migrations import migrate
from octavia_tx.db.postmaster import running
from octavia_tx.db.programs import Child, installed
from octavia_tx.errors import DatabaseUnavailable, SettingsError
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
import ctypes, subprocess, sys, time
assert ctypes.CDLL(None).prctl(36, 1, 0, 0, 0) == 0
owner = subprocess.Popen([sys.executable, *sys.argv[1:]], stdout=subprocess.PIPE, text=True)
dsn = owner.stdout.readline().strip()
print(dsn, owner.pid, sep="|", flush=True)
time.sleep(120)
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
            return await migrate(database) == 1
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


class LifeTests(EmbeddedCase):
    async def test_it_starts_from_nothing_and_leaves_only_its_files(self) -> None:
        embedded = self.embedded()
        started = time.monotonic()
        dsn = await embedded.start()
        self.assertLess(time.monotonic() - started, 10)
        self.assertTrue(await self.answers(dsn))
        self.assertEqual(self.directory.stat().st_mode & 0o777, 0o700)
        self.assertIn("ready to accept connections", (self.directory / "postgresql.log").read_text())
        pid = self.pid()
        self.assertNotEqual(os.getsid(pid), os.getsid(0), "Ctrl-C on our terminal is not for it")
        await embedded.stop()
        self.assertFalse(Path(f"/proc/{pid}").exists())
        self.assertEqual({p.name for p in self.directory.iterdir()}, {"data", "owner.lock", "postgresql.log"})
        await embedded.stop()

    async def test_it_keeps_what_is_committed_when_it_is_killed_and_is_back_within_a_second(self) -> None:
        dsn = await self.embedded().start()
        await self.answers(dsn)
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        await deferLater(reactor, 0.05)
        await self.answers_within(dsn, 10)
        self.assertLess(time.monotonic() - killed, 3)
        self.assertNotEqual(self.pid(), pid)

    async def test_after_its_owner_was_killed_the_next_one_adopts_it(self) -> None:
        owner, dsn = await self.owner()
        await self.answers(dsn)
        pid = self.pid()
        owner.signal("KILL")
        await owner.ended
        self.assertTrue(await self.answers(dsn), "it lives on")
        adopting = self.embedded()
        self.assertEqual(await adopting.start(), dsn)
        self.assertEqual(self.pid(), pid)
        os.kill(pid, signal.SIGKILL)
        await deferLater(reactor, 0.05)
        await self.answers_within(dsn, 10)
        await adopting.stop()
        self.assertIsNone(running(self.directory / "data"))

    async def test_while_another_owns_it_a_second_one_joins_and_leaves_it_running(self) -> None:
        _, dsn = await self.owner()
        joining = self.embedded()
        self.assertEqual(await joining.start(), dsn)
        await joining.stop()
        self.assertTrue(await self.answers(dsn))

    async def test_joining_where_nobody_runs_one_is_told(self) -> None:
        self.patch(EmbeddedPostgres, "START", 0.2)
        with self.assertRaises(DatabaseUnavailable) as caught:
            await self.embedded().join()
        self.assertIn(str(self.directory), str(caught.exception))

    async def test_a_start_that_is_cancelled_leaves_nothing_running(self) -> None:
        for moment in (0.05, 0.5):
            embedded = self.embedded()
            starting = Deferred.fromCoroutine(embedded.start())
            await deferLater(reactor, moment)
            starting.addErrback(lambda failure: failure.trap(CancelledError))
            starting.cancel()
            await starting
            await embedded.stop()
            self.assertIsNone(running(self.directory / "data"))
        self.assertTrue(await self.answers(await self.embedded().start()), "and the next one starts")

    async def test_a_directory_too_deep_for_a_socket_gets_a_short_one(self) -> None:
        deep = self.directory.parent / ("d" * 100) / "postgresql"
        embedded = self.embedded(deep)
        dsn = await embedded.start()
        server = running(deep / "data")
        assert server is not None
        self.assertEqual(server.socket.stat().st_mode & 0o777, 0o700)
        self.assertTrue(await self.answers(dsn))
        await embedded.stop()
        self.assertFalse(server.socket.exists())

    async def test_a_database_of_another_version_is_told(self) -> None:
        (self.directory / "data").mkdir(parents=True)
        (self.directory / "data" / "PG_VERSION").write_text("9\n")
        with self.assertRaises(SettingsError) as caught:
            await self.embedded().start()
        self.assertIn("made by PostgreSQL 9", str(caught.exception))

    async def test_a_server_that_does_not_start_says_why(self) -> None:
        embedded = self.embedded()
        await embedded.start()
        await embedded.stop()
        (self.directory / "data" / "postgresql.conf").write_text("nonsense = yes\n")
        with self.assertRaises(DatabaseUnavailable) as caught:
            await self.embedded().start()
        self.assertIn("didn't start", str(caught.exception))
        self.assertIn("nonsense", (self.directory / "postgresql.log").read_text())

    async def test_every_installation_of_this_machine_will_do(self) -> None:
        for binaries in installed():
            directory = self.directory.parent / str(binaries.major)
            embedded = EmbeddedPostgres(reactor, directory, binaries)
            self.addCleanup(lambda embedded=embedded: Deferred.fromCoroutine(embedded.stop()))
            self.assertTrue(await self.answers(await embedded.start()))
            self.assertEqual((directory / "data" / "PG_VERSION").read_text().strip(), str(binaries.major))
            await embedded.stop()


class DeathTests(EmbeddedCase):
    """Everything may be killed at any time."""

    async def test_a_server_that_died_with_its_owner_and_is_not_reaped_does_not_keep_the_next_from_starting(
        self,
    ) -> None:
        owner, dsn = await self.owner_under_one_that_never_reaps()
        await self.answers(dsn)
        pid = self.pid()
        os.kill(owner, signal.SIGKILL)
        os.kill(pid, signal.SIGKILL)
        self.assertEqual(await self.embedded().start(), dsn)
        await self.answers_within(dsn, 15)
        self.assertIn(") Z ", Path(f"/proc/{pid}/stat").read_text(), "it is still there")

    async def test_a_process_that_got_a_dead_servers_id_does_not_keep_the_next_from_starting(self) -> None:
        owner, dsn = await self.owner()
        files = [self.directory / "data" / "postmaster.pid", self.directory / ".s.PGSQL.5432.lock"]
        pid = self.pid()
        written = [path.read_text() for path in files]
        owner.signal("KILL")
        os.kill(pid, signal.SIGKILL)
        await owner.ended
        await self.until(lambda: running(self.directory / "data") is None)
        other = self.process("-c", "import time; print(flush=True); time.sleep(60)")
        await other.dsn
        for path, text in zip(files, written, strict=True):
            path.write_text(text.replace(str(pid), str(other.transport.pid), 1))  # type: ignore[union-attr]
        self.assertEqual(await self.embedded().start(), dsn)
        await self.answers_within(dsn, 15)
        self.assertFalse(other.over)

    async def test_an_adopted_server_that_is_killed_and_not_reaped_is_back(self) -> None:
        owner, dsn = await self.owner_under_one_that_never_reaps()
        os.kill(owner, signal.SIGKILL)
        await self.until(lambda: ") Z " in Path(f"/proc/{owner}/stat").read_text())
        pid = self.pid()
        await self.embedded().start()
        self.assertEqual(self.pid(), pid, "it is adopted")
        os.kill(pid, signal.SIGKILL)
        await deferLater(reactor, 0.05)
        await self.answers_within(dsn, 10)
        self.assertNotEqual(self.pid(), pid)

    async def test_what_is_left_of_a_dead_server_is_waited_for(self) -> None:
        embedded = self.embedded()
        await embedded.start()
        await embedded.stop()
        other = self.process("-c", "import time; print(flush=True); time.sleep(60)")
        await other.dsn
        # A process of the dead server that still works in its directory: its files must stay as long.
        left = subprocess.Popen([sys.executable, "-c", "input()"], cwd=self.directory / "data", stdin=subprocess.PIPE)
        self.addCleanup(left.communicate)
        self.addCleanup(left.kill)
        lines = [str(other.transport.pid), str(self.directory / "data"), "1", "5432", "", "", "", "ready"]  # type: ignore[union-attr]
        (self.directory / "data" / "postmaster.pid").write_text("\n".join(lines))
        starting = Deferred.fromCoroutine(self.embedded().start())
        said = self.directory / "postgresql.log"
        await self.until(lambda: "already exists" in said.read_text())
        self.assertFalse(starting.called)
        left.kill()
        left.wait()
        self.assertTrue(await self.answers(await starting))

    async def test_while_it_can_not_be_started_it_is_tried_again(self) -> None:
        dsn = await self.embedded().start()
        said = self.directory / "postgresql.log"
        said.rename(self.directory / "old.log")
        said.mkdir()
        os.kill(self.pid(), signal.SIGKILL)
        await deferLater(reactor, 2.5)
        self.assertIsNone(running(self.directory / "data"))
        said.rmdir()
        await deferLater(reactor, 0.05)
        await self.answers_within(dsn, 15)

    async def test_a_server_told_to_end_is_back_though_connections_would_keep_it(self) -> None:
        dsn = await self.embedded().start()
        pid = self.pid()
        with contextlib.closing(psycopg2.connect(dsn)):
            os.kill(pid, signal.SIGTERM)
            await self.until(lambda: (server := running(self.directory / "data")) is not None and server.pid != pid)
            await self.answers_within(dsn, 15)


class SuccessionTests(EmbeddedCase):
    """Two controllers on one directory."""

    async def killed_it_is_back(self, dsn: str) -> None:
        """Whether anyone owns it."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        await self.until(lambda: (server := running(self.directory / "data")) is not None and server.pid != pid)
        await self.answers_within(dsn, 15)

    async def test_an_owner_that_ends_leaves_the_running_server_to_the_one_who_waits(self) -> None:
        owner, dsn = await self.owner()
        second = self.embedded()
        self.assertEqual(await second.start(), dsn)
        await deferLater(reactor, 0.5)
        pid = self.pid()
        owner.signal("TERM")
        await owner.ended
        self.assertEqual(self.pid(), pid, "it was never stopped")
        self.assertTrue(await self.answers(dsn))
        await self.killed_it_is_back(dsn)
        await second.stop()
        self.assertIsNone(running(self.directory / "data"))

    async def test_after_its_owner_was_killed_the_one_who_waits_owns_it(self) -> None:
        owner, dsn = await self.owner()
        second = self.embedded()
        await second.start()
        owner.signal("KILL")
        await owner.ended
        await self.killed_it_is_back(dsn)
        await second.stop()
        self.assertIsNone(running(self.directory / "data"))

    async def test_killed_together_with_its_owner_it_is_started_by_the_one_who_waits(self) -> None:
        owner, dsn = await self.owner()
        await self.embedded().start()
        owner.signal("KILL")
        await self.killed_it_is_back(dsn)

    async def test_owners_that_end_together_leave_nothing_running(self) -> None:
        owners = [(await self.owner())[0] for _ in range(3)]
        await deferLater(reactor, 0.5)
        for owner in owners:
            owner.signal("TERM")
        for owner in owners:
            if not owner.over:
                await owner.ended
        self.assertIsNone(running(self.directory / "data"))

    async def test_one_who_waits_and_stops_first_leaves_it_running_and_owned(self) -> None:
        _, dsn = await self.owner()
        second = self.embedded()
        await second.start()
        await second.stop()
        await self.killed_it_is_back(dsn)


class RootTests(EmbeddedCase):
    if os.geteuid() != 0:
        skip = "only root must be somebody else"

    async def test_without_user_namespaces_it_runs_as_nobody(self) -> None:
        import octavia_tx.db.programs as programs

        self.patch(programs, "AS_SOMEBODY_ELSE", programs.AS_SOMEBODY_ELSE[1:])
        dsn = await self.embedded().start()
        self.assertTrue(await self.answers(dsn))
        self.assertEqual(Path(f"/proc/{self.pid()}").stat().st_uid, programs.NOBODY)

    async def test_with_no_way_to_be_somebody_else_it_is_told(self) -> None:
        import octavia_tx.db.programs as programs

        self.patch(programs, "AS_SOMEBODY_ELSE", (("false",),))
        with self.assertRaises(SettingsError) as caught:
            await self.embedded().start()
        self.assertIn("refuses to run as root", str(caught.exception))
