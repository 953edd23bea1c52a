"""Tests of C{octavia_tx.cloud.noop}: what is its own beside the contracts."""

from __future__ import annotations

from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.noop import NoopCompute, NoopNetwork
from octavia_tx.model.validation import anywhere
from octavia_tx.testing.network import asking


class NoopTests(SynchronousTestCase):
    """L{NoopCompute} and L{NoopNetwork}."""

    def test_a_restarted_controller_finds_the_machine_at_the_same_address(self) -> None:
        amphora_id = str(uuid4())
        one, other = (self.successResultOf(Deferred.fromCoroutine(NoopCompute().find(amphora_id))) for _ in range(2))
        self.assertEqual(one, other)

    def test_a_subnet_holds_every_address(self) -> None:
        subnet = self.successResultOf(Deferred.fromCoroutine(NoopNetwork().subnet("s")))
        assert subnet is not None
        self.assertTrue(anywhere(subnet))

    def test_a_thousand_load_balancers_get_a_thousand_addresses(self) -> None:
        network, taken = NoopNetwork(), set[str]()
        for _ in range(1000):
            work = network.allocate_vip(asking(vip_subnet_id="s"), frozenset(taken))
            taken.add(self.successResultOf(Deferred.fromCoroutine(work)).address)
        self.assertEqual(len(taken), 1000)
