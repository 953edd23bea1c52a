"""How parts follow from the settings."""

from __future__ import annotations

from contextlib import AsyncExitStack

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.config import AmphoraSettings, Settings
from octavia_tx.errors import IncompatibleConfiguration
from octavia_tx.model.tree import Tree
from octavia_tx.tap.parts import Parts
from tests.controller.world import tree

AMPHORA = "11111111-1111-4111-8111-111111111111"


class Previews(SynchronousTestCase):
    """What is told beforehand is what the amphora driver accepts."""

    def previewed(self, amphora: AmphoraSettings, asked: Tree) -> str:
        parts = Parts(Clock(), Settings(amphora=amphora), AsyncExitStack())
        return parts.preview(parts.providers()).configuration(asked, AMPHORA)

    def test_amphorae_that_do_not_exist_accept_what_haproxy_can_not_serve(self) -> None:
        asked = tree(vip_address="192.0.2.9")
        (web,) = asked.listeners
        name = evolve(web, id="22222222-2222-4222-8222-222222222222", protocol="UDP", protocol_port=53)
        both, alone = (evolve(asked, listeners=listeners) for listeners in ((web, name), (name,)))
        noop = AmphoraSettings(driver="noop")
        self.assertEqual(self.previewed(noop, both), Renderer().render(asked, AMPHORA))
        self.assertEqual(self.previewed(noop, alone), "")
        self.assertRaises(IncompatibleConfiguration, self.previewed, AmphoraSettings(), both)
