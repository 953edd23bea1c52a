"""
The embedded network: every address of 127.0.0.0/8 is this host's already, so a VIP is only chosen, never plumbed.

Clients must be on the same host. Needs no privileges and leaves nothing behind.
"""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from zope.interface import implementer

from octavia_tx.cloud.addresses import AUTOMATIC_VIPS, LOOPBACK, MANAGEMENT
from octavia_tx.errors import AddressUnavailable, InvalidInput
from octavia_tx.interfaces import INetworkDriver
from octavia_tx.model.addresses import is_host
from octavia_tx.model.amphora import Amphora, Network, Subnet, Vip
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.vips import check_port, choose_address, choose_subnet, port_of

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
        check_port(load_balancer)
        subnet = choose_subnet(load_balancer, (NETWORK,), SUBNETS)
        asked = load_balancer.vip_address
        if asked is not None and (not is_host(asked, subnet.cidr) or is_host(asked, MANAGEMENT)):
            accepted = f"a host's address in {subnet.cidr}, but not in {MANAGEMENT}, where amphorae's agents listen"
            raise InvalidInput("loadbalancer.vip_address", asked, accepted)

    async def allocate_vip(self, load_balancer: LoadBalancer, taken: frozenset[str]) -> Vip:
        """
        See L{INetworkDriver}. Without an address given, one of 127.128.0.0/9, or C{::1}.

        @raise ReferenceMissing: it names a subnet, network or port that isn't there.
        @raise InvalidInput: the subnet that it names isn't of the network that it names.
        """
        check_port(load_balancer)
        subnet = choose_subnet(load_balancer, (NETWORK,), SUBNETS)
        address = choose_address(load_balancer, subnet, taken, AUTOMATIC_VIPS if subnet.ip_version == 4 else None)
        if is_host(address, MANAGEMENT):
            raise AddressUnavailable(f"The address {address} isn't for VIPs: amphorae's agents listen in {MANAGEMENT}.")
        return Vip(address=address, port_id=port_of(load_balancer.id), subnet_id=subnet.id, network_id=NETWORK_ID)

    async def release_vip(self, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}. Nothing was made, so nothing is to be undone."""

    async def plug_vip(self, amphora: Amphora, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}. Packets for a loopback address reach every process of the host."""
