"""Files that are whole."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from amphora import durable


class Durable(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "inner"
        durable.make_directory(self.directory)
        self.path = self.directory / "file"

    def test_a_file_is_replaced_and_only_its_owner_may_read_it(self) -> None:
        durable.write(self.path, b"one")
        durable.write(self.path, b"two")
        self.assertEqual(self.path.read_bytes(), b"two")
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.directory.stat().st_mode & 0o777, 0o700)
        self.assertEqual(list(self.directory.iterdir()), [self.path])

    def test_a_failed_write_leaves_what_was(self) -> None:
        self.path.mkdir()
        self.assertRaises(OSError, durable.write, self.path, b"new")
        self.assertEqual(list(self.directory.iterdir()), [self.path])

    def test_drafts_of_a_killed_writer_are_swept(self) -> None:
        durable.write(self.path, b"one")
        durable.write_draft(self.path, b"two")
        durable.remove_drafts(self.directory)
        self.assertEqual(list(self.directory.iterdir()), [self.path])

    def test_others_drafts_may_be_left(self) -> None:
        path, others = self.directory / "[a]", durable.write_draft(self.path, b"two")
        durable.write_draft(path, b"three")
        durable.remove_drafts(self.directory, path.name)
        self.assertEqual([each.name for each in self.directory.iterdir()], [others.name])

    def test_removing_a_directory_twice_is_no_error(self) -> None:
        durable.write(self.path, b"one")
        durable.remove_directory(self.directory)
        durable.remove_directory(self.directory)
        self.assertFalse(self.directory.exists())
