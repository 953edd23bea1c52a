"""Where certificates lie."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from amphora.certificates import AbsentFile, BadName, Certificates, NoMemory, in_memory

SHARED = Path("/dev/shm")  # noqa: S108 - only looked at


class Places(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir(mode=0o700)

    def made(self, directory: Path | None) -> Certificates:
        return Certificates(directory, self.directory / "link")

    def test_memory_is_told_from_disks(self) -> None:
        self.assertTrue(in_memory(SHARED / "not" / "there"))
        self.assertFalse(in_memory(Path("/proc")))

    def test_without_a_place_nothing_is_kept(self) -> None:
        nowhere = self.made(None)
        self.assertIn("tmpfs", str(self.assertRaises(NoMemory, nowhere.put, "a.pem", b"key")))
        self.assertRaises(AbsentFile, nowhere.read, "a.pem")
        nowhere.delete("a.pem")
        nowhere.link()
        nowhere.remove()
        self.assertEqual(nowhere.digests(), {})

    def test_a_directory_that_somebody_else_could_write_to_is_not_used(self) -> None:
        shared = self.directory / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        self.assertRaises(PermissionError, self.made(shared / "lb").put, "a.pem", b"key")
        elsewhere = self.directory / "elsewhere"
        elsewhere.symlink_to(shared)
        self.assertRaises(OSError, self.made(elsewhere / "lb").put, "a.pem", b"key")
        self.assertEqual(list(shared.iterdir()), [])

    def test_names_are_of_files_there(self) -> None:
        made = self.made(self.directory / "root" / "lb")
        for name in ("", ".pem", "a.key", "../a.pem", "a/b.pem", "a\n.pem", "a.pem\n", "é.pem", "-" * 300 + ".pem"):
            for act in (made.read, made.delete, lambda name: made.put(name, b"x")):
                self.assertRaises(BadName, act, name)

    def test_haproxy_finds_them_by_a_link(self) -> None:
        made = self.made(self.directory / "root" / "lb")
        for _ in range(2):
            made.link()
        made.put("a.pem", b"key")
        self.assertEqual((self.directory / "link" / "a.pem").read_bytes(), b"key")
        made.remove()
        self.assertEqual(made.digests(), {})
