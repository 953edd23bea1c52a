"""Which PostgreSQL is embedded, and what a data directory tells of a running one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
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


class DataDirectoryCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.data = Path(self.mktemp())
        self.data.mkdir()
        self.file = self.data / "postmaster.pid"

    def write(self, pid: int, status: str) -> None:
        self.file.write_text(f"{pid}\n{self.data}\n1700000000\n5432\n/run/there\n\n 1 2\n{status}\n")

    def inside(self, directory: Path | None = None) -> int:
        """A process that works in the data directory, as a server does."""
        process = subprocess.Popen([sys.executable, "-c", "input()"], cwd=directory or self.data, stdin=subprocess.PIPE)

        def end() -> None:
            process.kill()
            process.communicate()

        self.addCleanup(end)
        return process.pid

    def zombie(self) -> int:
        process = subprocess.Popen([sys.executable, "-c", "pass"], cwd=self.data)
        self.addCleanup(process.wait)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        return process.pid


class PostmasterTests(DataDirectoryCase):
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
        forget_dead(self.data, self.data.parent)
        self.assertFalse(self.file.exists())

    def test_the_file_of_a_living_server_stays(self) -> None:
        self.write(self.inside(), "ready")
        forget_dead(self.data, self.data.parent)
        self.assertTrue(self.file.exists())

    def test_the_file_of_a_dead_server_stays_while_another_of_its_processes_lives(self) -> None:
        self.inside()
        self.write(os.getpid(), "ready")
        self.assertIsNone(running(self.data))
        forget_dead(self.data, self.data.parent)
        self.assertTrue(self.file.exists())

    def test_half_a_file_is_no_server(self) -> None:
        self.file.write_text(f"{os.getpid()}\n")
        self.assertIsNone(running(self.data))

    def test_a_file_that_says_nonsense_is_no_server(self) -> None:
        self.file.write_text("one\ntwo\n3\n4\n5\nready\n")
        self.assertIsNone(running(self.data))

    def test_a_server_that_stops_is_told(self) -> None:
        self.write(self.inside(), "stopping")
        server = running(self.data)
        assert server is not None
        self.assertEqual((server.stopping, server.ready), (True, False))

    def test_a_server_that_was_not_reaped_is_none(self) -> None:
        self.write(self.zombie(), "ready")
        self.assertIsNone(running(self.data))


class SocketLockTests(DataDirectoryCase):
    """The lock file of the socket, which may lie in another directory."""

    def setUp(self) -> None:
        super().setUp()
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        self.lock = self.directory / ".s.PGSQL.5432.lock"

    def lock_of(self, pid: int, data: Path, directory: Path) -> None:
        self.lock.write_text(f"{pid}\n{data.absolute()}\n1700000000\n5432\n{directory}\n")

    def test_it_goes_with_the_other_file_when_the_server_is_a_zombie(self) -> None:
        zombie = self.zombie()
        self.write(zombie, "ready")
        self.lock_of(zombie, self.data, self.directory)
        forget_dead(self.data, self.directory)
        self.assertEqual((self.lock.exists(), self.file.exists()), (False, False))

    def test_it_goes_when_its_process_id_is_someone_elses(self) -> None:
        self.lock_of(os.getpid(), self.data, self.directory)
        forget_dead(self.data, self.directory)
        self.assertFalse(self.lock.exists())

    def test_it_goes_when_it_is_cut_short(self) -> None:
        self.lock.write_text("")
        forget_dead(self.data, self.directory)
        self.assertFalse(self.lock.exists())

    def test_it_stays_while_a_process_of_the_server_lives(self) -> None:
        self.lock_of(self.inside(), self.data, self.directory)
        forget_dead(self.data, self.directory)
        self.assertTrue(self.lock.exists())

    def test_it_stays_when_another_directorys_server_has_its_socket_there(self) -> None:
        other = Path(self.mktemp())
        other.mkdir()
        self.lock_of(self.inside(other), other, self.directory)
        forget_dead(self.data, self.directory)
        self.assertTrue(self.lock.exists())

    def test_the_copy_of_another_directorys_goes(self) -> None:
        other = Path(self.mktemp())
        other.mkdir()
        self.lock_of(self.inside(other), other, other)
        forget_dead(self.data, self.directory)
        self.assertFalse(self.lock.exists())

    def test_it_stays_while_anyone_listens_at_the_socket(self) -> None:
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(str(self.directory / ".s.PGSQL.5432"))
        listening.listen()
        self.lock_of(os.getpid(), self.data, self.directory)
        forget_dead(self.data, self.directory)
        self.assertTrue(self.lock.exists())
