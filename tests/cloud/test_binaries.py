"""Tests of C{octavia_tx.cloud.binaries}."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.errors import SettingsError


class FindHaproxyTests(SynchronousTestCase):
    """L{find_haproxy}."""

    def test_the_systems_own_comes_first(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        program = directory / "haproxy"
        program.touch(mode=0o700)
        self.assertEqual(find_haproxy(str(directory), lambda: "/bundled/haproxy"), str(program.absolute()))

    def test_the_bundled_one_is_taken_where_the_system_has_none(self) -> None:
        self.assertEqual(find_haproxy("", lambda: "/bundled/haproxy"), "/bundled/haproxy")

    def test_what_to_install_is_said_where_there_is_none(self) -> None:
        for missing in (ImportError, FileNotFoundError):

            def bundled(missing: type[Exception] = missing) -> str:
                raise missing

            error = self.assertRaises(SettingsError, find_haproxy, "", bundled)
            self.assertIn("apt install haproxy", str(error))
            self.assertIn("octavia-tx[embedded]", str(error))
