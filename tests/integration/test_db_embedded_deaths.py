"""The embedded PostgreSQL and its owners, killed and ended at any time."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from octavia_tx.db.postmaster import running
from tests.integration.embedded import EmbeddedCase


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
        other = self.process("-c", "import signal; print(flush=True); signal.alarm(60); signal.pause()")
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
        other = self.process("-c", "import signal; print(flush=True); signal.alarm(60); signal.pause()")
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
