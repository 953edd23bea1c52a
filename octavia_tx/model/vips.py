"""What a load balancer asks of its front end, held against the subnets there are: pure rules for network drivers."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from uuid import UUID, uuid5

from octavia_tx.errors import AddressUnavailable, InvalidInput, ReferenceMissing
from octavia_tx.model.addresses import is_host, sequence
from octavia_tx.model.amphora import Network, Subnet
from octavia_tx.model.resources import LoadBalancer

PORTS = UUID("1c5b5f4c-2a0e-5d6f-9d4e-6f0e9a3c7b21")


def port_of(load_balancer_id: str) -> str:
    """The id of the port that a driver without ports of its own says it made for this load balancer."""
    return str(uuid5(PORTS, load_balancer_id))


def check_port(asked: LoadBalancer) -> None:
    """
    Accept only the port that L{port_of} gave: for drivers without ports of their own.

    @raise ReferenceMissing: another is named.
    """
    if asked.vip_port_id not in (None, port_of(asked.id)):
        raise ReferenceMissing("loadbalancer.vip_port_id", "Port", str(asked.vip_port_id))


def choose_subnet(asked: LoadBalancer, networks: Sequence[Network], subnets: Sequence[Subnet]) -> Subnet:
    """
    The subnet that a load balancer means: the one it names, else that of its address, else the network's IPv4 one.

    @raise ReferenceMissing: it names a subnet or network that isn't there.
    @raise InvalidInput: the subnet that it names isn't of the network that it names.
    @raise AddressUnavailable: no subnet holds the address that it names.
    """
    if asked.vip_network_id is not None and asked.vip_network_id not in {n.id for n in networks}:
        raise ReferenceMissing("loadbalancer.vip_network_id", "Network", asked.vip_network_id)
    of_network = [s for s in subnets if asked.vip_network_id in (None, s.network_id)]
    if asked.vip_subnet_id is not None:
        named = next((s for s in subnets if s.id == asked.vip_subnet_id), None)
        if named is None:
            raise ReferenceMissing("loadbalancer.vip_subnet_id", "Subnet", asked.vip_subnet_id)
        if named not in of_network:
            accepted = f"a subnet of network {asked.vip_network_id}"
            raise InvalidInput("loadbalancer.vip_subnet_id", asked.vip_subnet_id, accepted)
        return named
    holding = [s for s in of_network if asked.vip_address is None or is_host(asked.vip_address, s.cidr)]
    if not holding:
        ranges = ", ".join(s.cidr for s in of_network) or "none"
        raise AddressUnavailable(
            f"The address {asked.vip_address} is in no subnet of the network, which has: {ranges}."
        )
    return min(holding, key=lambda subnet: subnet.ip_version)


def choose_address(asked: LoadBalancer, subnet: Subnet, taken: frozenset[str], automatic: str | None = None) -> str:
    """
    The address that a load balancer names, else one that is free, the same each time for the same load balancer.

    @param automatic: the part of the subnet to choose from; all of it by default.
    @raise AddressUnavailable: the address is taken or not of the subnet, or none is left.
    """
    if asked.vip_address is None:
        for candidate in sequence(automatic or subnet.cidr, asked.id):
            if candidate not in taken and candidate != subnet.gateway:
                return candidate
        raise AddressUnavailable(f"No free address is left in subnet {subnet.id} ({automatic or subnet.cidr}).")
    if not is_host(asked.vip_address, subnet.cidr):
        raise AddressUnavailable(f"The address {asked.vip_address} isn't one of subnet {subnet.id} ({subnet.cidr}).")
    address = str(ip_address(asked.vip_address))
    if address in taken:
        raise AddressUnavailable(f"The address {address} is taken by another load balancer.")
    return address
