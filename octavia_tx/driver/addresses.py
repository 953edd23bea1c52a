"""A load balancer's front-end addresses, asked of the network all together."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import ip_address

from attrs import evolve

from octavia_tx.interfaces import INetworkDriver
from octavia_tx.model.addresses import unmapped
from octavia_tx.model.amphora import Vip
from octavia_tx.model.resources import LoadBalancer, Member

TRIES = 32
"""Others may take the free address that the network chose before it is written down, again and again."""


async def allocate(
    network: INetworkDriver, load_balancer: LoadBalancer, members: Iterable[Member], taken: frozenset[str]
) -> LoadBalancer:
    """
    The load balancer with its VIP and additional VIPs, each with all its fields.

    @param members: at whose addresses it gets none that it doesn't ask for: it would be its own member.
    @param taken: addresses that other load balancers have, as far as known.
    @raise CloudError: what L{INetworkDriver.allocate_vip} raises, and L{INetworkDriver.allocate_additional_vip}.
    """
    chosen = taken | {str(unmapped(member.address)) for member in members}
    others = taken if load_balancer.vip_address else chosen
    vip = await network.allocate_vip(load_balancer, others | _additional(load_balancer))
    load_balancer = evolve(
        load_balancer,
        vip_address=vip.address,
        vip_port_id=vip.port_id,
        vip_subnet_id=vip.subnet_id,
        vip_network_id=vip.network_id,
    )
    for at, asked in enumerate(load_balancer.additional_vips):
        others = (taken if asked.ip_address else chosen) | {vip.address} | _additional(load_balancer, but=at)
        given = await network.allocate_additional_vip(load_balancer, at, others)
        additional = (given if i == at else v for i, v in enumerate(load_balancer.additional_vips))
        load_balancer = evolve(load_balancer, additional_vips=additional)
    return load_balancer


def vip_of(load_balancer: LoadBalancer) -> Vip:
    """The VIP of a load balancer that has all its addresses."""
    address, port_id = load_balancer.vip_address, load_balancer.vip_port_id
    subnet_id, network_id = load_balancer.vip_subnet_id, load_balancer.vip_network_id
    assert address and port_id and subnet_id and network_id
    return Vip(address=address, port_id=port_id, subnet_id=subnet_id, network_id=network_id)


def _additional(load_balancer: LoadBalancer, but: int | None = None) -> frozenset[str]:
    """The addresses of the additional VIPs, as far as they are known, but for one."""
    given = [v.ip_address for at, v in enumerate(load_balancer.additional_vips) if at != but]
    return frozenset(str(ip_address(address)) for address in given if address)
