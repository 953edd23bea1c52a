"""
Drivers that accept anything and finish at once: for trying the API, and for measuring it.

They keep almost no state, so that they answer the same after a restart. Two deviations from the contracts follow:
L{NoopCompute.find} finds every amphora but those that this process destroyed, and L{NoopNetwork} knows every subnet,
network and port by any id.
"""

from __future__ import annotations

from ipaddress import ip_network
from uuid import NAMESPACE_URL, uuid5

from zope.interface import implementer

from octavia_tx.interfaces import IComputeDriver, INetworkDriver
from octavia_tx.model.addresses import sequence
from octavia_tx.model.amphora import Amphora, Boot, Machine, Network, Subnet, Vip
from octavia_tx.model.resources import AdditionalVip, LoadBalancer
from octavia_tx.model.vips import Asked, additional_vip_of, check_distinct, choose_address, port_of, vip_of

AGENTS = "100.64.0.0/10"  # RFC 6598: no one's, and large
VIPS = "198.18.0.0/15"  # RFC 2544: for benchmarks
ANYWHERE = "0.0.0.0/0"  # a subnet that holds every address, so that nobody refuses any


NETWORK_ID = str(uuid5(NAMESPACE_URL, "urn:octavia-tx:noop"))
SUBNET_ID = str(uuid5(NAMESPACE_URL, "urn:octavia-tx:noop:subnet"))


@implementer(IComputeDriver)
class NoopCompute:
    """Machines that run as soon as they are asked for, and of which nothing exists."""

    def __init__(self) -> None:
        self._machines: dict[str, Machine] = {}
        self._destroyed: set[str] = set()

    async def ensure(self, boot: Boot) -> Machine:
        """See L{IComputeDriver}."""
        self._destroyed.discard(boot.amphora_id)
        return self._machines.setdefault(boot.amphora_id, self._machine(boot.amphora_id))

    async def find(self, amphora_id: str) -> Machine | None:
        """A running machine, unless this process destroyed it: one made before a restart must be found again."""
        return None if amphora_id in self._destroyed else self._machine(amphora_id)

    async def list(self) -> tuple[Machine, ...]:
        """The machines that this process made."""
        return tuple(self._machines.values())

    async def destroy(self, amphora_id: str) -> None:
        """See L{IComputeDriver}."""
        self._machines.pop(amphora_id, None)
        self._destroyed.add(amphora_id)

    def _machine(self, amphora_id: str) -> Machine:
        address = next(sequence(AGENTS, amphora_id))
        return Machine(amphora_id=amphora_id, compute_id=amphora_id, running=True, lb_network_ip=address)


@implementer(INetworkDriver)
class NoopNetwork:
    """Any id names a subnet, a network or a port, and any address may be a VIP's."""

    async def subnet(self, subnet_id: str) -> Subnet | None:
        """A subnet of that id, whatever it is; all are of one network."""
        return Subnet(id=subnet_id, name="noop", network_id=NETWORK_ID, cidr=ANYWHERE, ip_version=4)

    async def network(self, network_id: str) -> Network | None:
        """A network of that id, whatever it is; all have the same subnet."""
        return Network(id=network_id, name="noop", subnet_ids=(SUBNET_ID,))

    async def networks(self) -> tuple[Network, ...]:
        """One network, for those who look for any."""
        return (Network(id=NETWORK_ID, name="noop", subnet_ids=(SUBNET_ID,)),)

    async def check_vip(self, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}. Everything could be, but for two front ends at one address."""
        check_distinct(load_balancer)

    async def allocate_vip(self, load_balancer: LoadBalancer, taken: frozenset[str]) -> Vip:
        """See L{INetworkDriver}. Ids are taken as given, and an address need not be of any range."""
        return self._allocate(vip_of(load_balancer), taken)

    async def allocate_additional_vip(
        self, load_balancer: LoadBalancer, at: int, taken: frozenset[str]
    ) -> AdditionalVip:
        """See L{INetworkDriver}, as L{allocate_vip}."""
        vip = self._allocate(additional_vip_of(load_balancer, at, load_balancer.vip_network_id), taken)
        return AdditionalVip(ip_address=vip.address, port_id=vip.port_id, subnet_id=vip.subnet_id)

    def _allocate(self, asked: Asked, taken: frozenset[str]) -> Vip:
        network_id = asked.network_id or NETWORK_ID
        subnet_id = asked.subnet_id or SUBNET_ID
        cidr = VIPS if asked.address is None else str(ip_network(asked.address))
        version = ip_network(cidr).version
        subnet = Subnet(id=subnet_id, name="noop", network_id=network_id, cidr=cidr, ip_version=version)
        return Vip(
            address=choose_address(asked, subnet, taken),
            port_id=asked.port_id or port_of(asked.key),
            subnet_id=subnet_id,
            network_id=network_id,
        )

    async def release_vip(self, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}."""

    async def plug_vip(self, amphora: Amphora, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}."""
