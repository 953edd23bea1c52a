"""The embedded PostgreSQL: started, adopted, restarted, and gone without a trace."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater

from octavia_tx.db.embedded import EmbeddedPostgres
from octavia_tx.db.postmaster import running
from octavia_tx.db.programs import installed
from octavia_tx.errors import DatabaseUnavailable, SettingsError
from tests.integration.embedded import OWNER, EmbeddedCase


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


class RootTests(EmbeddedCase):
    if os.geteuid() != 0:
        skip = "only root must be somebody else"

    async def test_without_user_namespaces_it_runs_as_nobody(self) -> None:
        import octavia_tx.db.programs as programs

        self.patch(programs, "AS_SOMEBODY_ELSE", programs.AS_SOMEBODY_ELSE[1:])
        dsn = await self.embedded().start()
        self.assertTrue(await self.answers(dsn))
        self.assertEqual(Path(f"/proc/{self.pid()}").stat().st_uid, programs.NOBODY)

    async def test_as_nobody_it_is_seen_by_a_root_who_may_not_look_at_others_processes(self) -> None:
        self.directory.mkdir()
        os.chown(self.directory, 65534, 65534)
        without = ["setpriv", "--bounding-set=-sys_ptrace", "--inh-caps=-sys_ptrace", sys.executable]
        replace = f"import os, sys; os.execvp('setpriv', [*{without}, *sys.argv[1:]])"
        owner = self.process("-c", replace, "-c", OWNER, str(self.directory))
        self.assertTrue(await self.answers(await owner.dsn.addTimeout(15, reactor)))  # type: ignore[arg-type]

    async def test_with_no_way_to_be_somebody_else_it_is_told(self) -> None:
        import octavia_tx.db.programs as programs

        self.patch(programs, "AS_SOMEBODY_ELSE", (("false",),))
        with self.assertRaises(SettingsError) as caught:
            await self.embedded().start()
        self.assertIn("refuses to run as root", str(caught.exception))
