"""Tests of C{octavia_tx.cloud.loopback}: what is its own beside the contract."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.addresses import AUTOMATIC_VIPS
from octavia_tx.cloud.loopback import IPV4_SUBNET_ID, IPV6_SUBNET_ID, NETWORK_ID, LoopbackNetwork
from octavia_tx.errors import AddressUnavailable
from octavia_tx.model.amphora import Vip
from octavia_tx.testing.network import asking


class LoopbackNetworkTests(SynchronousTestCase):
    """L{LoopbackNetwork.allocate_vip}."""

    def allocated(self, *taken: str, **asked: str) -> Vip:
        work = LoopbackNetwork().allocate_vip(asking(**asked), frozenset(taken))
        return self.successResultOf(Deferred.fromCoroutine(work))

    def refused(self, *taken: str, **asked: str) -> str:
        work = LoopbackNetwork().allocate_vip(asking(**asked), frozenset(taken))
        return str(self.failureResultOf(Deferred.fromCoroutine(work), AddressUnavailable).value)

    @given(st.uuids())
    def test_addresses_are_chosen_from_the_upper_half(self, load_balancer_id: object) -> None:
        vip = self.allocated(id=str(load_balancer_id), vip_subnet_id=IPV4_SUBNET_ID)
        self.assertIn(ip_address(vip.address), ip_network(AUTOMATIC_VIPS))

    def test_a_tenant_may_ask_for_localhost(self) -> None:
        self.assertEqual(self.allocated(vip_subnet_id=IPV4_SUBNET_ID, vip_address="127.0.0.1").address, "127.0.0.1")

    def test_the_amphoraes_own_addresses_are_refused(self) -> None:
        self.assertIn("agents", self.refused(vip_subnet_id=IPV4_SUBNET_ID, vip_address="127.64.0.9"))

    def test_the_ipv6_subnet_has_one_address(self) -> None:
        self.assertEqual(self.allocated(vip_subnet_id=IPV6_SUBNET_ID).address, "::1")
        self.refused("::1", vip_subnet_id=IPV6_SUBNET_ID)

    def test_ids_never_change(self) -> None:
        self.assertEqual(NETWORK_ID, "ba4c943a-e83f-5d74-bd78-6b082d6eab8b")
        self.assertEqual(IPV4_SUBNET_ID, "b8a8e0f2-c0a0-5a9f-9cd9-7a12b60c972d")
        self.assertEqual(IPV6_SUBNET_ID, "743d01ca-dd00-5f0d-8e41-0362a18761a3")
