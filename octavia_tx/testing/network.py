"""
What every L{INetworkDriver} must do, as tests that a driver's author runs against it.

::

    class MyNetworkTests(make_network_driver_tests(make_my_driver)):
        pass
"""

# Trial's own assertions have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import Any
from uuid import UUID, uuid4

from attrs import evolve
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from octavia_tx.errors import AddressUnavailable, InvalidInput, ReferenceMissing, RequestError
from octavia_tx.interfaces import INetworkDriver
from octavia_tx.model.amphora import Amphora, Network, Subnet, Vip
from octavia_tx.model.resources import LoadBalancer

Factory = Callable[[TestCase], Awaitable[INetworkDriver]]
_WHEN = datetime(2026, 1, 1, tzinfo=UTC)
_FEW = 256  # addresses of a subnet that can all be taken in a test
_NONE: frozenset[str] = frozenset()


def asking(**asked: Any) -> LoadBalancer:
    """A new load balancer that asks for such a front end: C{vip_subnet_id}, C{vip_address}, ..."""
    return LoadBalancer(**{"id": str(uuid4()), "project_id": "p", "created_at": _WHEN, **asked})


class _NetworkDriverTests(TestCase):
    async def _driver(self) -> INetworkDriver:
        raise NotImplementedError

    async def _some(self) -> tuple[INetworkDriver, Network, Subnet]:
        driver = await self._driver()
        network, subnet = await _roomy(driver)
        return driver, network, subnet

    async def _refused(
        self, kind: type[Exception], driver: INetworkDriver, taken: frozenset[str], **asked: Any
    ) -> None:
        try:
            given = await driver.allocate_vip(asking(**asked), taken)
        except kind:
            return
        self.fail(f"{asked} was allocated: {given}")

    async def test_it_provides_the_interface(self) -> None:
        verifyObject(INetworkDriver, await self._driver())

    async def test_networks_and_subnets_name_each_other(self) -> None:
        driver = await self._driver()
        networks = await driver.networks()
        self.assertNotEqual(networks, ())
        for network in networks:
            self.assertEqual(await driver.network(network.id), network)
            for subnet_id in network.subnet_ids:
                subnet = await driver.subnet(subnet_id)
                assert subnet is not None
                self.assertEqual((subnet.id, subnet.network_id), (subnet_id, network.id))
                self.assertEqual(subnet.ip_version, ip_network(subnet.cidr).version)

    async def test_an_unknown_subnet_or_network_is_none(self) -> None:
        driver = await self._driver()
        self.assertIsNone(await driver.subnet(str(uuid4())))
        self.assertIsNone(await driver.network(str(uuid4())))

    async def test_a_subnet_gives_an_address_of_its_own(self) -> None:
        driver, network, subnet = await self._some()
        vip = await driver.allocate_vip(asking(vip_subnet_id=subnet.id), _NONE)
        self.assertIn(ip_address(vip.address), ip_network(subnet.cidr))
        self.assertEqual((vip.subnet_id, vip.network_id), (subnet.id, network.id))
        UUID(vip.port_id)

    async def test_a_network_gives_an_address_of_one_of_its_subnets_ipv4_first(self) -> None:
        driver, network, _subnet = await self._some()
        vip = await driver.allocate_vip(asking(vip_network_id=network.id), _NONE)
        self.assertEqual(vip.network_id, network.id)
        self.assertIn(vip.subnet_id, network.subnet_ids)
        subnets = [await driver.subnet(subnet_id) for subnet_id in network.subnet_ids]
        first = min(s.ip_version for s in subnets if s is not None)
        self.assertEqual(ip_address(vip.address).version, first)

    async def test_allocating_again_gives_the_same(self) -> None:
        driver, _network, subnet = await self._some()
        asked = asking(vip_subnet_id=subnet.id)
        vip = await driver.allocate_vip(asked, _NONE)
        self.assertEqual(await driver.allocate_vip(asked, _NONE), vip)

    async def test_a_restarted_controller_is_given_the_same(self) -> None:
        driver, _network, subnet = await self._some()
        asked = asking(vip_subnet_id=subnet.id)
        vip = await driver.allocate_vip(asked, _NONE)
        self.assertEqual(await (await self._driver()).allocate_vip(asked, _NONE), vip)

    async def test_what_was_given_may_be_asked_for(self) -> None:
        driver, _network, subnet = await self._some()
        asked = asking(vip_subnet_id=subnet.id)
        vip = await driver.allocate_vip(asked, _NONE)
        self.assertEqual(await driver.allocate_vip(_recorded(asked, vip), _NONE), vip)

    async def test_two_load_balancers_get_two_addresses_and_ports(self) -> None:
        driver, _network, subnet = await self._some()
        one = await driver.allocate_vip(asking(vip_subnet_id=subnet.id), _NONE)
        other = await driver.allocate_vip(asking(vip_subnet_id=subnet.id), frozenset({one.address}))
        self.assertNotEqual(other.address, one.address)
        self.assertNotEqual(other.port_id, one.port_id)

    async def test_an_address_asked_for_is_given(self) -> None:
        driver, _network, subnet = await self._some()
        free = await driver.allocate_vip(asking(vip_subnet_id=subnet.id), _NONE)
        await driver.release_vip(_recorded(asking(), free))
        vip = await driver.allocate_vip(asking(vip_subnet_id=subnet.id, vip_address=free.address), _NONE)
        self.assertEqual((vip.address, vip.subnet_id), (free.address, subnet.id))

    async def test_a_taken_address_is_refused(self) -> None:
        driver, _network, subnet = await self._some()
        vip = await driver.allocate_vip(asking(vip_subnet_id=subnet.id), _NONE)
        taken = frozenset({vip.address})
        await self._refused(AddressUnavailable, driver, taken, vip_subnet_id=subnet.id, vip_address=vip.address)

    async def test_an_address_outside_of_the_subnet_is_refused(self) -> None:
        driver, _network, subnet = await self._some()
        outside = _outside(subnet)
        await self._refused(AddressUnavailable, driver, _NONE, vip_subnet_id=subnet.id, vip_address=outside)

    async def test_an_unknown_subnet_is_refused(self) -> None:
        await self._refused(ReferenceMissing, await self._driver(), _NONE, vip_subnet_id=str(uuid4()))

    async def test_an_unknown_network_is_refused(self) -> None:
        await self._refused(ReferenceMissing, await self._driver(), _NONE, vip_network_id=str(uuid4()))

    async def test_an_unknown_port_is_refused(self) -> None:
        driver, _network, subnet = await self._some()
        await self._refused(ReferenceMissing, driver, _NONE, vip_subnet_id=subnet.id, vip_port_id=str(uuid4()))

    async def test_what_can_never_be_is_told_before_it_is_accepted(self) -> None:
        driver, _network, subnet = await self._some()
        await driver.check_vip(asking(vip_subnet_id=subnet.id))
        free = await driver.allocate_vip(asking(vip_subnet_id=subnet.id), _NONE)
        await driver.check_vip(asking(vip_subnet_id=subnet.id, vip_address=free.address))
        for wrong in (
            {"vip_subnet_id": str(uuid4())},
            {"vip_network_id": str(uuid4())},
            {"vip_subnet_id": subnet.id, "vip_port_id": str(uuid4())},
            {"vip_subnet_id": subnet.id, "vip_address": _outside(subnet)},
        ):
            try:
                await driver.check_vip(asking(**wrong))
            except RequestError:
                continue
            self.fail(f"{wrong} is accepted")

    async def _additional(self, driver: INetworkDriver, **asked: Any) -> LoadBalancer:
        """A load balancer as recorded once it has all its front ends."""
        found = asking(**asked)
        found = _recorded(found, await driver.allocate_vip(found, _NONE))
        for at in range(len(found.additional_vips)):
            others = {found.vip_address, *(v.ip_address for i, v in enumerate(found.additional_vips) if i != at)}
            given = await driver.allocate_additional_vip(found, at, frozenset(a for a in others if a))
            additional = (given if i == at else v for i, v in enumerate(found.additional_vips))
            found = evolve(found, additional_vips=additional)
        return found

    async def test_additional_vips_have_addresses_and_ports_of_their_own(self) -> None:
        driver, network, subnet = await self._some()
        additional: tuple[dict[str, str], ...] = ({"subnet_id": subnet.id}, {"subnet_id": subnet.id}, {})
        given = await self._additional(driver, vip_subnet_id=subnet.id, additional_vips=additional)
        addresses = [given.vip_address, *(v.ip_address for v in given.additional_vips)]
        ports = [given.vip_port_id, *(v.port_id for v in given.additional_vips)]
        self.assertEqual((len(set(addresses)), len(set(ports))), (4, 4))
        for vip in given.additional_vips:
            UUID(str(vip.port_id))
        for vip in given.additional_vips[:2]:
            self.assertEqual(vip.subnet_id, subnet.id)
            self.assertIn(ip_address(str(vip.ip_address)), ip_network(subnet.cidr))
        self.assertIn(given.additional_vips[2].subnet_id, network.subnet_ids)

    async def test_additional_vips_may_be_of_the_other_ip_version(self) -> None:
        driver, network, _subnet = await self._some()
        subnets = [s for i in network.subnet_ids if (s := await driver.subnet(i)) is not None]
        additional: list[dict[str, str]] = [{"subnet_id": s.id} for s in subnets]
        given = await self._additional(driver, vip_network_id=network.id, additional_vips=additional)
        for vip, subnet in zip(given.additional_vips, subnets, strict=True):
            self.assertEqual(ip_address(str(vip.ip_address)).version, subnet.ip_version)
            self.assertEqual(vip.subnet_id, subnet.id)

    async def test_allocating_an_additional_vip_again_gives_the_same_also_after_a_restart(self) -> None:
        driver, _network, subnet = await self._some()
        given = await self._additional(driver, vip_subnet_id=subnet.id, additional_vips=({"subnet_id": subnet.id},))
        asked = evolve(given, additional_vips=({"subnet_id": subnet.id},))
        taken = frozenset({str(given.vip_address)})
        for again in (driver, await self._driver()):
            for form in (asked, given):
                self.assertEqual(await again.allocate_additional_vip(form, 0, taken), given.additional_vips[0])

    async def test_an_additional_address_asked_for_is_given_and_a_taken_one_refused(self) -> None:
        driver, _network, subnet = await self._some()
        first = await self._additional(driver, vip_subnet_id=subnet.id, additional_vips=({"subnet_id": subnet.id},))
        free = str(first.additional_vips[0].ip_address)
        await driver.release_vip(first)
        asked = {"subnet_id": subnet.id, "ip_address": free}
        given = await self._additional(driver, vip_subnet_id=subnet.id, additional_vips=(asked,))
        self.assertEqual(given.additional_vips[0].ip_address, free)
        await self._refused_additional(AddressUnavailable, driver, given, frozenset({free}))

    async def test_an_additional_vip_that_can_not_be_is_refused(self) -> None:
        driver, _network, subnet = await self._some()
        recorded = await self._additional(driver, vip_subnet_id=subnet.id)
        for kind, asked in (
            (ReferenceMissing, {"subnet_id": str(uuid4())}),
            (ReferenceMissing, {"subnet_id": subnet.id, "port_id": str(uuid4())}),
            (AddressUnavailable, {"subnet_id": subnet.id, "ip_address": _outside(subnet)}),
        ):
            wrong = evolve(recorded, additional_vips=(asked,))
            await self._refused_additional(kind, driver, wrong, frozenset({str(recorded.vip_address)}))

    async def _refused_additional(
        self, kind: type[Exception], driver: INetworkDriver, asked: LoadBalancer, taken: frozenset[str]
    ) -> None:
        try:
            given = await driver.allocate_additional_vip(asked, 0, taken)
        except kind:
            return
        self.fail(f"{asked.additional_vips} was allocated: {given}")

    async def test_what_an_additional_vip_can_never_be_is_told_by_its_place(self) -> None:
        driver, _network, subnet = await self._some()
        good = {"subnet_id": subnet.id}
        await driver.check_vip(asking(vip_subnet_id=subnet.id, additional_vips=(good, good)))
        for field, asked in (
            ("subnet_id", {"subnet_id": str(uuid4())}),
            ("port_id", {**good, "port_id": str(uuid4())}),
            ("ip_address", {**good, "ip_address": _outside(subnet)}),
        ):
            try:
                await driver.check_vip(asking(vip_subnet_id=subnet.id, additional_vips=(good, asked)))
            except RequestError as error:
                self.assertIn(f"loadbalancer.additional_vips[1].{field}", str(error))
                continue
            self.fail(f"{asked} is accepted")

    async def test_an_address_asked_for_twice_is_refused_before_it_is_accepted(self) -> None:
        driver, _network, subnet = await self._some()
        vip = await driver.allocate_vip(asking(vip_subnet_id=subnet.id), _NONE)
        twice = ({"subnet_id": subnet.id, "ip_address": vip.address},)
        asked = asking(vip_subnet_id=subnet.id, vip_address=vip.address, additional_vips=twice)
        try:
            await driver.check_vip(asked)
        except InvalidInput as error:
            self.assertEqual(error.field, "loadbalancer.additional_vips[0].ip_address")
            return
        self.fail("An address is accepted twice")

    async def test_a_full_subnet_is_refused(self) -> None:
        driver = await self._driver()
        for network in await driver.networks():
            for subnet_id in network.subnet_ids:
                subnet = await driver.subnet(subnet_id)
                if subnet is not None and ip_network(subnet.cidr).num_addresses <= _FEW:
                    every = frozenset(map(str, ip_network(subnet.cidr)))
                    await self._refused(AddressUnavailable, driver, every, vip_subnet_id=subnet_id)

    async def test_releasing_again_or_what_was_never_allocated_is_no_error(self) -> None:
        driver, _network, subnet = await self._some()
        asked = asking(vip_subnet_id=subnet.id)
        await driver.release_vip(asked)
        vip = await driver.allocate_vip(asked, _NONE)
        for _ in range(2):
            await driver.release_vip(_recorded(asked, vip))

    async def test_plugging_again_is_no_error(self) -> None:
        driver, _network, subnet = await self._some()
        asked = asking(vip_subnet_id=subnet.id)
        recorded = _recorded(asked, await driver.allocate_vip(asked, _NONE))
        amphora = Amphora(id=str(uuid4()), load_balancer_id=asked.id, created_at=_WHEN)
        for _ in range(2):
            await driver.plug_vip(amphora, recorded)


def make_network_driver_tests(factory: Factory) -> type[TestCase]:
    """
    A test case with the contract's promises, one test each.

    @param factory: gives a driver with at least one network that has a subnet with two free addresses, and registers
        with C{addCleanup} what undoes it all. Called again with the same test case it gives what a restarted
        controller would have.
    """

    class NetworkDriverTests(_NetworkDriverTests):
        async def _driver(self) -> INetworkDriver:
            return await factory(self)

    return NetworkDriverTests


async def _roomy(driver: INetworkDriver) -> tuple[Network, Subnet]:
    for network in await driver.networks():
        for subnet_id in network.subnet_ids:
            subnet = await driver.subnet(subnet_id)
            if subnet is not None and ip_network(subnet.cidr).num_addresses > 2:
                return network, subnet
    raise AssertionError("The driver has no subnet with room for two load balancers.")


def _recorded(load_balancer: LoadBalancer, vip: Vip) -> LoadBalancer:
    return evolve(
        load_balancer,
        vip_address=vip.address,
        vip_port_id=vip.port_id,
        vip_subnet_id=vip.subnet_id,
        vip_network_id=vip.network_id,
    )


def _outside(subnet: Subnet) -> str:
    candidates = ("192.0.2.1", "198.51.100.1") if subnet.ip_version == 4 else ("2001:db8:1::1", "2001:db8:2::1")
    return next(c for c in candidates if ip_address(c) not in ip_network(subnet.cidr))
