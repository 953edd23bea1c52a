"""What a load balancer asks of its front ends, held against the subnets there are: pure rules for network drivers."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from uuid import UUID, uuid5

from attrs import frozen

from octavia_tx.errors import AddressUnavailable, InvalidInput, ReferenceMissing
from octavia_tx.model.addresses import is_host, sequence
from octavia_tx.model.amphora import Network, Subnet
from octavia_tx.model.resources import LoadBalancer

PORTS = UUID("1c5b5f4c-2a0e-5d6f-9d4e-6f0e9a3c7b21")
_NETWORK = "loadbalancer.vip_network_id"


@frozen(kw_only=True)
class Asked:
    """
    A front-end address as a load balancer asks for it.

    @ivar key: names it among all; an address or port that nobody chose follows from it.
    @ivar at: its place among the additional ones; C{None} for the VIP.
    """

    key: str
    at: int | None = None
    address: str | None = None
    subnet_id: str | None = None
    network_id: str | None = None
    port_id: str | None = None

    def field(self, name: str) -> str:
        """The API's name of C{address}, C{subnet_id} or C{port_id}."""
        if self.at is None:
            return f"loadbalancer.vip_{name}"
        return f"loadbalancer.additional_vips[{self.at}].{'ip_address' if name == 'address' else name}"


def vip_of(load_balancer: LoadBalancer) -> Asked:
    """What is asked for the VIP."""
    return Asked(
        key=load_balancer.id,
        address=load_balancer.vip_address,
        subnet_id=load_balancer.vip_subnet_id,
        network_id=load_balancer.vip_network_id,
        port_id=load_balancer.vip_port_id,
    )


def additional_vip_of(load_balancer: LoadBalancer, at: int, network_id: str | None) -> Asked:
    """
    What is asked for one of the additional VIPs.

    @param network_id: the VIP's, of which they all are.
    """
    asked = load_balancer.additional_vips[at]
    return Asked(
        key=f"{load_balancer.id}/{at}",
        at=at,
        address=asked.ip_address,
        subnet_id=asked.subnet_id,
        network_id=network_id,
        port_id=asked.port_id,
    )


def port_of(key: str) -> str:
    """The id of the port that a driver without ports of its own says it made for what has this key."""
    return str(uuid5(PORTS, key))


def check_port(asked: Asked) -> None:
    """
    Accept only the port that L{port_of} gave: for drivers without ports of their own.

    @raise ReferenceMissing: another is named.
    """
    if asked.port_id not in (None, port_of(asked.key)):
        raise ReferenceMissing(asked.field("port_id"), "Port", str(asked.port_id))


def check_distinct(load_balancer: LoadBalancer) -> None:
    """
    No address is asked for twice.

    @raise InvalidInput: one is.
    """
    seen = {str(ip_address(load_balancer.vip_address))} if load_balancer.vip_address else set()
    for at, vip in enumerate(load_balancer.additional_vips):
        if vip.ip_address is None:
            continue
        address = str(ip_address(vip.ip_address))
        if address in seen:
            field = additional_vip_of(load_balancer, at, None).field("address")
            raise InvalidInput(field, vip.ip_address, "an address that isn't another front end's of this load balancer")
        seen.add(address)


def check_front_ends(
    load_balancer: LoadBalancer, networks: Sequence[Network], subnets: Sequence[Subnet], forbidden: str | None = None
) -> None:
    """
    Whether a load balancer could have its VIP and its additional ones: for drivers without ports of their own.

    @param forbidden: a range in which no front end may be.
    @raise ReferenceMissing: there's no such subnet, network or port.
    @raise InvalidInput: they don't belong together, or an address is none that a front end may have.
    """
    check_distinct(load_balancer)
    network_id = _check(vip_of(load_balancer), networks, subnets, forbidden).network_id
    for at in range(len(load_balancer.additional_vips)):
        _check(additional_vip_of(load_balancer, at, network_id), networks, subnets, forbidden)


def _check(asked: Asked, networks: Sequence[Network], subnets: Sequence[Subnet], forbidden: str | None) -> Subnet:
    check_port(asked)
    try:
        subnet = choose_subnet(asked, networks, subnets)
    except AddressUnavailable as error:
        ranges = ", ".join(s.cidr for s in _of_network(asked, subnets)) or "none"
        raise InvalidInput(asked.field("address"), asked.address, f"an address in one of: {ranges}") from error
    address = asked.address
    if address is not None and (not is_host(address, subnet.cidr) or (forbidden and is_host(address, forbidden))):
        but = f", but not in {forbidden}, where amphorae's agents listen" if forbidden else ""
        raise InvalidInput(asked.field("address"), address, f"a host's address in {subnet.cidr}{but}")
    return subnet


def _of_network(asked: Asked, subnets: Sequence[Subnet]) -> list[Subnet]:
    return [s for s in subnets if asked.network_id in (None, s.network_id)]


def choose_subnet(asked: Asked, networks: Sequence[Network], subnets: Sequence[Subnet]) -> Subnet:
    """
    The subnet that is meant: the one that is named, else that of the address, else the network's IPv4 one.

    @raise ReferenceMissing: a subnet or network is named that isn't there.
    @raise InvalidInput: the subnet that is named isn't of the network.
    @raise AddressUnavailable: no subnet holds the address that is named.
    """
    if asked.network_id is not None and asked.network_id not in {n.id for n in networks}:
        raise ReferenceMissing(_NETWORK, "Network", asked.network_id)
    of_network = _of_network(asked, subnets)
    if asked.subnet_id is not None:
        named = next((s for s in subnets if s.id == asked.subnet_id), None)
        if named is None:
            raise ReferenceMissing(asked.field("subnet_id"), "Subnet", asked.subnet_id)
        if named not in of_network:
            raise InvalidInput(asked.field("subnet_id"), asked.subnet_id, f"a subnet of network {asked.network_id}")
        return named
    holding = [s for s in of_network if asked.address is None or is_host(asked.address, s.cidr)]
    if not holding:
        ranges = ", ".join(s.cidr for s in of_network) or "none"
        raise AddressUnavailable(f"The address {asked.address} is in no subnet of the network, which has: {ranges}.")
    return min(holding, key=lambda subnet: subnet.ip_version)


def choose_address(asked: Asked, subnet: Subnet, taken: frozenset[str], automatic: str | None = None) -> str:
    """
    The address that is named, else one that is free, the same each time for the same key.

    @param automatic: the part of the subnet to choose from; all of it by default.
    @raise AddressUnavailable: the address is taken or not of the subnet, or none is left.
    """
    if asked.address is None:
        for candidate in sequence(automatic or subnet.cidr, asked.key):
            if candidate not in taken and candidate != subnet.gateway:
                return candidate
        raise AddressUnavailable(f"No free address is left in subnet {subnet.id} ({automatic or subnet.cidr}).")
    if not is_host(asked.address, subnet.cidr):
        raise AddressUnavailable(f"The address {asked.address} isn't one of subnet {subnet.id} ({subnet.cidr}).")
    address = str(ip_address(asked.address))
    if address in taken:
        raise AddressUnavailable(f"The address {address} is taken already.")
    return address
