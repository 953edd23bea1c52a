"""All network drivers keep the contract, the fake included."""

from __future__ import annotations

from uuid import uuid4

from attrs import asdict
from twisted.trial.unittest import TestCase

from octavia_tx.cloud.loopback import LoopbackNetwork
from octavia_tx.cloud.noop import NoopNetwork
from octavia_tx.interfaces import INetworkDriver
from octavia_tx.testing.memory import MemoryNetwork
from octavia_tx.testing.network import asking, make_network_driver_tests


async def _memory(case: TestCase) -> INetworkDriver:
    return MemoryNetwork()


async def _loopback(case: TestCase) -> INetworkDriver:
    return LoopbackNetwork()


async def _noop(case: TestCase) -> INetworkDriver:
    return NoopNetwork()


class MemoryNetworkTests(make_network_driver_tests(_memory)):  # type: ignore[misc]
    """The fake, verified."""


class LoopbackNetworkTests(make_network_driver_tests(_loopback)):  # type: ignore[misc]
    """The embedded driver."""


class NoopNetworkTests(make_network_driver_tests(_noop)):  # type: ignore[misc]
    """Its deviation: whatever is named, exists."""

    async def test_an_unknown_subnet_or_network_is_none(self) -> None:
        driver, anything = NoopNetwork(), str(uuid4())
        subnet, network = await driver.subnet(anything), await driver.network(anything)
        assert subnet is not None and network is not None
        self.assertEqual((subnet.id, network.id), (anything, anything))

    async def _accepted(self, **asked: str) -> None:
        vip = await NoopNetwork().allocate_vip(asking(**asked), frozenset())
        given = {
            "vip_subnet_id": vip.subnet_id,
            "vip_network_id": vip.network_id,
            "vip_port_id": vip.port_id,
            "vip_address": vip.address,
        }
        self.assertEqual({name: given[name] for name in asked}, asked)

    async def test_an_unknown_subnet_is_refused(self) -> None:
        await self._accepted(vip_subnet_id=str(uuid4()))

    async def test_an_unknown_network_is_refused(self) -> None:
        await self._accepted(vip_network_id=str(uuid4()))

    async def test_an_unknown_port_is_refused(self) -> None:
        await self._accepted(vip_port_id=str(uuid4()))

    async def test_an_address_outside_of_the_subnet_is_refused(self) -> None:
        await self._accepted(vip_address="192.0.2.77", vip_subnet_id=str(uuid4()))
        await self._accepted(vip_address="2001:db8::7")

    async def test_an_additional_vip_that_can_not_be_is_refused(self) -> None:
        asked = {"subnet_id": str(uuid4()), "port_id": str(uuid4()), "ip_address": "192.0.2.77"}
        given = await NoopNetwork().allocate_additional_vip(asking(additional_vips=(asked,)), 0, frozenset())
        self.assertEqual(asdict(given), asked)

    async def test_what_an_additional_vip_can_never_be_is_told_by_its_place(self) -> None:
        asked = {"subnet_id": str(uuid4()), "port_id": str(uuid4()), "ip_address": "192.0.2.77"}
        await NoopNetwork().check_vip(asking(additional_vips=(asked,)))

    async def test_what_can_never_be_is_told_before_it_is_accepted(self) -> None:
        for anything in ("vip_subnet_id", "vip_network_id", "vip_port_id"):
            await NoopNetwork().check_vip(asking(**{anything: str(uuid4())}))
