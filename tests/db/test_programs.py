"""Which PostgreSQL is embedded, and what a data directory tells of a running one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.db.postmaster import forget_dead, running
from octavia_tx.db.programs import Binaries, choose
from octavia_tx.errors import SettingsError

FOUND = (Binaries(17, Path("/seventeen")), Binaries(15, Path("/fifteen")))


class ChoiceTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.data = Path(self.mktemp())
        self.data.mkdir()

    def test_a_new_database_takes_the_first(self) -> None:
        self.assertEqual(choose(self.data, FOUND).major, 17)

    def test_a_database_keeps_to_the_version_that_made_it(self) -> None:
        (self.data / "PG_VERSION").write_text("15\n")
        self.assertEqual(choose(self.data, FOUND).major, 15)

    def test_a_version_that_is_missing_is_named(self) -> None:
        (self.data / "PG_VERSION").write_text("14\n")
        with self.assertRaises(SettingsError) as caught:
            choose(self.data, FOUND)
        self.assertIn("made by PostgreSQL 14, but this machine has 17, 15", str(caught.exception))

    def test_without_any_the_way_out_is_told(self) -> None:
        with self.assertRaises(SettingsError) as caught:
            choose(self.data, ())
        self.assertIn("octavia-tx[embedded]", str(caught.exception))


class PostmasterTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.data = Path(self.mktemp())
        self.data.mkdir()
        self.file = self.data / "postmaster.pid"

    def write(self, pid: int, status: str) -> None:
        self.file.write_text(f"{pid}\n{self.data}\n1700000000\n5432\n/run/there\n\n 1 2\n{status}\n")

    def inside(self) -> int:
        """A process that works in the data directory, as a server does."""
        process = subprocess.Popen([sys.executable, "-c", "input()"], cwd=self.data, stdin=subprocess.PIPE)

        def end() -> None:
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process.pid

    def test_no_file_no_server(self) -> None:
        self.assertIsNone(running(self.data))

    def test_a_server_is_ready_when_it_says_so(self) -> None:
        pid = self.inside()
        self.write(pid, "starting")
        server = running(self.data)
        assert server is not None
        self.assertFalse(server.ready)
        self.write(pid, "ready   ")
        server = running(self.data)
        assert server is not None
        self.assertTrue(server.ready)
        self.assertEqual((server.pid, server.dsn), (pid, "host=/run/there user=octavia dbname=postgres"))

    def test_a_process_id_given_to_someone_else_is_no_server_and_its_file_goes(self) -> None:
        self.write(os.getpid(), "ready")
        self.assertIsNone(running(self.data))
        forget_dead(self.data)
        self.assertFalse(self.file.exists())

    def test_the_file_of_a_living_server_stays(self) -> None:
        self.write(self.inside(), "ready")
        forget_dead(self.data)
        self.assertTrue(self.file.exists())

    def test_the_file_of_a_dead_server_stays_while_another_of_its_processes_lives(self) -> None:
        self.inside()
        self.write(os.getpid(), "ready")
        self.assertIsNone(running(self.data))
        forget_dead(self.data)
        self.assertTrue(self.file.exists())

    def test_half_a_file_is_no_server(self) -> None:
        self.file.write_text(f"{os.getpid()}\n")
        self.assertIsNone(running(self.data))
