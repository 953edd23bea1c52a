"""What requests say of networks, asked of the network driver before anything is locked."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network
from typing import Any

from attrs import evolve, field, frozen

from octavia_tx.errors import InvalidInput, MissingField, ReferenceMissing
from octavia_tx.interfaces import INetworkDriver
from octavia_tx.model import validation
from octavia_tx.model.amphora import Subnet
from octavia_tx.model.resources import LoadBalancer

Values = Mapping[str, Any]


@frozen
class Subnets:
    """The subnets of one request; each is asked for once."""

    network: INetworkDriver
    _found: dict[str, Subnet] = field(factory=dict)

    async def known(self, subnet_id: str | None, where: str) -> Subnet | None:
        """
        The subnet that a field names, if it names any.

        @raise ReferenceMissing: there's none of that id.
        """
        if subnet_id is None:
            return None
        if subnet_id not in self._found:
            found = await self.network.subnet(subnet_id)
            if found is None:
                raise ReferenceMissing(where, "Subnet", subnet_id)
            self._found[subnet_id] = found
        return self._found[subnet_id]

    async def of_members(self, pool: Values, where: str) -> None:
        """All subnets that a described pool's members name."""
        for at, member in enumerate(pool["members"] or ()):
            await self.known(member["subnet_id"], f"{where}.members[{at}].subnet_id")

    async def of_listener(self, listener: Values, where: str) -> None:
        """All subnets that the members of a described listener's pools name."""
        places = [(listener["default_pool"], f"{where}.default_pool")]
        for at, policy in enumerate(listener["l7policies"] or ()):
            places.append((policy["redirect_pool"], f"{where}.l7policies[{at}].redirect_pool"))
        for pool, place in places:
            if isinstance(pool, dict):
                await self.of_members(pool, place)

    async def front_end(self, load_balancer: LoadBalancer, where: str) -> tuple[LoadBalancer, Subnet | None]:
        """
        The load balancer with its VIP's subnet and network filled in, as far as they follow from what is given.

        @raise MissingField: no subnet, network or port; ReferenceMissing: one that isn't there; InvalidInput: they
            don't belong together.
        """
        for at, vip in enumerate(load_balancer.additional_vips):
            place = f"{where}.additional_vips[{at}].subnet_id"
            if not (vip.subnet_id or vip.ip_address or vip.port_id):
                raise MissingField(place, "one of subnet_id, ip_address, port_id")
            await self.known(vip.subnet_id, place)
        if not (load_balancer.vip_subnet_id or load_balancer.vip_network_id or load_balancer.vip_port_id):
            raise MissingField(f"{where}.vip_subnet_id", "one of vip_subnet_id, vip_network_id, vip_port_id")
        subnet = await self.known(load_balancer.vip_subnet_id, f"{where}.vip_subnet_id")
        network_id = load_balancer.vip_network_id
        if network_id is not None:
            network = await self.network.network(network_id)
            if network is None:
                raise ReferenceMissing(f"{where}.vip_network_id", "Network", network_id)
            if subnet is None and load_balancer.vip_port_id is None:
                subnet = await self._choose(network.subnet_ids, load_balancer, where)
            elif subnet is not None and subnet.id not in network.subnet_ids and not validation.anywhere(subnet):
                raise InvalidInput(f"{where}.vip_subnet_id", subnet.id, f"a subnet of network {network_id}")
        if subnet is not None:
            validation.check_vip(load_balancer, subnet, where)
        await self.network.check_vip(load_balancer)
        validation.check_distinct_subnets(load_balancer, subnet, where)
        if subnet is None:
            return load_balancer, None
        filled = evolve(load_balancer, vip_subnet_id=subnet.id, vip_network_id=network_id or subnet.network_id)
        return filled, subnet

    async def _choose(self, identifiers: tuple[str, ...], load_balancer: LoadBalancer, where: str) -> Subnet:
        """A network's subnet: the one that holds the address asked for, else the first of IPv4, else the first."""
        found = [s for s in [await self.network.subnet(i) for i in identifiers] if s is not None]
        address = load_balancer.vip_address
        if address is not None:
            found = [s for s in found if validation.anywhere(s) or ip_address(address) in ip_network(s.cidr, False)]
            if not found:
                raise InvalidInput(f"{where}.vip_address", address, "an address of one of the network's subnets")
        if not found:
            raise InvalidInput(f"{where}.vip_network_id", load_balancer.vip_network_id, "a network with a subnet")
        return min(found, key=lambda s: s.ip_version)
