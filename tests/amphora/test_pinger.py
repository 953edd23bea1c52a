"""Whom the program that pings members pings."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from amphora.pinger import WANTED, Members, checksum
from octavia_tx.amphora_driver.render import Renderer
from tests.amphora_driver.gallery import listener, member, monitor, pool, tree

IN_PLACE = """
backend b
    server one 192.0.2.1:80 id 3 weight 1 check inter 1s
    server two [2001:db8::2]:80 addr 192.0.2.22 port 3 check
\tserver three 192.0.2.3:80 check addr [2001:db8::33] backup
    # server four 192.0.2.4:80
"""
LOADED = "server one 192.0.2.9:80\n server five 192.0.2.5:80 check\n"


class Addresses(SynchronousTestCase):
    def setUp(self) -> None:
        directory = Path(self.mktemp())
        (directory / "ping").mkdir(parents=True)
        self.addCleanup(os.chdir, Path.cwd())
        (directory / "loaded.cfg").write_text(LOADED)
        self.configuration = (directory / "haproxy.cfg").absolute()
        self.configuration.write_text(IN_PLACE)
        os.chdir(directory / "ping")
        self.members = Members()

    def test_a_monitors_address_goes_before_a_members_own(self) -> None:
        found = [self.members.address(name) for name in ("one", "two", "three")]
        self.assertEqual(found, ["192.0.2.1", "192.0.2.22", "2001:db8::33"])

    def test_what_haproxy_goes_by_still_counts_too(self) -> None:
        self.assertEqual([self.members.address(name) for name in ("five", "four", "")], ["192.0.2.5", None, None])

    def test_a_configuration_is_read_again_when_it_is_another(self) -> None:
        self.members.address("one")
        another = self.configuration.with_suffix(".new")
        another.write_text("server one 192.0.2.7:80\n")
        another.rename(self.configuration)
        self.assertEqual([self.members.address(name) for name in ("one", "two")], ["192.0.2.7", None])
        self.configuration.unlink()
        self.assertEqual(self.members.address("one"), "192.0.2.9")


class Words(SynchronousTestCase):
    def test_what_the_driver_renders_is_understood(self) -> None:
        shown = tree(listener(), pool(), member(1, monitor_address="2001:db8::1"), member(2), monitor("PING"))
        text = Renderer().render(shown, "a0000000-0000-4000-8000-000000000001")
        self.assertIn(f"unix@{WANTED}\n", text)

    def test_the_checksum_is_that_of_rfc_1071(self) -> None:
        self.assertEqual(checksum(bytes.fromhex("0001f203f4f5f6f7")), 0x220D)
