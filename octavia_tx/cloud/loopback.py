"""
The embedded network: every address of 127.0.0.0/8 is this host's already, so a VIP is only chosen, never plumbed.

Clients must be on the same host. Needs no privileges and leaves nothing behind.
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from zope.interface import implementer

from octavia_tx.cloud.addresses import AUTOMATIC_VIPS, LOOPBACK, MANAGEMENT
from octavia_tx.errors import AddressUnavailable
from octavia_tx.interfaces import INetworkDriver
from octavia_tx.model.addresses import is_host
from octavia_tx.model.amphora import Amphora, Network, Subnet, Vip
from octavia_tx.model.resources import AdditionalVip, LoadBalancer
from octavia_tx.model.vips import (
    Asked,
    additional_vip_of,
    check_front_ends,
    check_port,
    choose_address,
    choose_subnet,
    port_of,
    vip_of,
)

NETWORK_ID = str(uuid5(NAMESPACE_URL, "urn:octavia-tx:loopback"))
IPV4_SUBNET_ID = str(uuid5(NAMESPACE_URL, "urn:octavia-tx:loopback:ipv4"))
IPV6_SUBNET_ID = str(uuid5(NAMESPACE_URL, "urn:octavia-tx:loopback:ipv6"))

NETWORK = Network(id=NETWORK_ID, name="loopback", subnet_ids=(IPV4_SUBNET_ID, IPV6_SUBNET_ID))
SUBNETS = (
    Subnet(id=IPV4_SUBNET_ID, name="loopback-ipv4", network_id=NETWORK_ID, cidr=LOOPBACK, ip_version=4),
    Subnet(id=IPV6_SUBNET_ID, name="loopback-ipv6", network_id=NETWORK_ID, cidr="::1/128", ip_version=6),
)


@implementer(INetworkDriver)
class LoopbackNetwork:
    """One network, C{loopback}, with a subnet for IPv4 and one for IPv6 that holds a single address."""

    async def subnet(self, subnet_id: str) -> Subnet | None:
        """See L{INetworkDriver}."""
        return next((s for s in SUBNETS if s.id == subnet_id), None)

    async def network(self, network_id: str) -> Network | None:
        """See L{INetworkDriver}."""
        return NETWORK if network_id == NETWORK_ID else None

    async def networks(self) -> tuple[Network, ...]:
        """See L{INetworkDriver}."""
        return (NETWORK,)

    async def check_vip(self, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}."""
        check_front_ends(load_balancer, (NETWORK,), SUBNETS, MANAGEMENT)

    async def allocate_vip(self, load_balancer: LoadBalancer, taken: frozenset[str]) -> Vip:
        """
        See L{INetworkDriver}. Without an address given, one of 127.128.0.0/9, or C{::1}.

        @raise ReferenceMissing: it names a subnet, network or port that isn't there.
        @raise InvalidInput: the subnet that it names isn't of the network that it names.
        """
        return self._allocate(vip_of(load_balancer), taken)

    async def allocate_additional_vip(
        self, load_balancer: LoadBalancer, at: int, taken: frozenset[str]
    ) -> AdditionalVip:
        """See L{INetworkDriver}. Without an address given, as by L{allocate_vip}."""
        vip = self._allocate(additional_vip_of(load_balancer, at, load_balancer.vip_network_id), taken)
        return AdditionalVip(ip_address=vip.address, port_id=vip.port_id, subnet_id=vip.subnet_id)

    def _allocate(self, asked: Asked, taken: frozenset[str]) -> Vip:
        check_port(asked)
        subnet = choose_subnet(asked, (NETWORK,), SUBNETS)
        address = choose_address(asked, subnet, taken, AUTOMATIC_VIPS if subnet.ip_version == 4 else None)
        if is_host(address, MANAGEMENT):
            raise AddressUnavailable(f"The address {address} isn't for VIPs: amphorae's agents listen in {MANAGEMENT}.")
        return Vip(address=address, port_id=port_of(asked.key), subnet_id=subnet.id, network_id=NETWORK_ID)

    async def release_vip(self, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}. Nothing was made, so nothing is to be undone."""

    async def plug_vip(self, amphora: Amphora, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}. Packets for a loopback address reach every process of the host."""
