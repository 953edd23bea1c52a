"""
Drivers in memory for tests: they keep the contracts, which the same suites prove, and can be told to fail.

What lives longer than a controller is held apart (L{MemoryMachines}), so that a test can drop the driver, make
another over the same, and see what a restarted controller sees.
"""

from __future__ import annotations

from attrs import define, evolve, field
from zope.interface import implementer

from octavia_tx.errors import CloudError, OutOfResources
from octavia_tx.interfaces import IComputeDriver, INetworkDriver
from octavia_tx.model.addresses import sequence
from octavia_tx.model.amphora import Amphora, Boot, Machine, Network, Subnet, Vip
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

NETWORK = Network(
    id="5f0a3c52-8f0e-4b57-9d6b-0a6c6f6b7c01",
    name="memory",
    subnet_ids=("5f0a3c52-8f0e-4b57-9d6b-0a6c6f6b7c06", "5f0a3c52-8f0e-4b57-9d6b-0a6c6f6b7c04"),
)
SUBNETS = (
    Subnet(id=NETWORK.subnet_ids[0], name="memory-6", network_id=NETWORK.id, cidr="2001:db8:6::/64", ip_version=6),
    Subnet(
        id=NETWORK.subnet_ids[1],
        name="memory-4",
        network_id=NETWORK.id,
        cidr="203.0.113.0/24",
        ip_version=4,
        gateway="203.0.113.1",
    ),
)


@define
class Trouble:
    """Failures that a test has prepared: the calls to come raise them, first to last, and do nothing."""

    ahead: list[CloudError] = field(factory=list)

    def befall(self) -> None:
        """Raise the next failure, if there's any."""
        if self.ahead:
            raise self.ahead.pop(0)


@define
class MemoryMachines:
    """
    The machines there are.

    @ivar room: how many may be.
    @ivar boots: what each was booted with, first to last, also those destroyed since.
    """

    room: int = 1000
    machines: dict[str, Machine] = field(factory=dict)
    boots: list[Boot] = field(factory=list)


@implementer(IComputeDriver)
class MemoryCompute:
    """
    Machines that are only noted down.

    @param slow: a machine is up only after the test says so with L{bring_up}.
    """

    def __init__(self, machines: MemoryMachines | None = None, *, slow: bool = False) -> None:
        self.held = machines if machines is not None else MemoryMachines()
        self.trouble = Trouble()
        self._slow = slow

    async def ensure(self, boot: Boot) -> Machine:
        """See L{IComputeDriver}."""
        self.trouble.befall()
        if boot.amphora_id not in self.held.machines:
            if len(self.held.machines) >= self.held.room:
                raise OutOfResources(f"There's room for {self.held.room} machines only.")
            self.held.boots.append(boot)
            self.held.machines[boot.amphora_id] = Machine(
                amphora_id=boot.amphora_id,
                compute_id=f"memory-{boot.amphora_id}",
                running=not self._slow,
                lb_network_ip=next(sequence("10.0.0.0/8", boot.amphora_id)),
            )
        return self.held.machines[boot.amphora_id]

    async def find(self, amphora_id: str) -> Machine | None:
        """See L{IComputeDriver}."""
        self.trouble.befall()
        return self.held.machines.get(amphora_id)

    async def list(self) -> tuple[Machine, ...]:
        """See L{IComputeDriver}."""
        self.trouble.befall()
        return tuple(self.held.machines.values())

    async def destroy(self, amphora_id: str) -> None:
        """See L{IComputeDriver}."""
        self.trouble.befall()
        self.held.machines.pop(amphora_id, None)

    def bring_up(self, amphora_id: str) -> None:
        """The machine has booted."""
        self.held.machines[amphora_id] = evolve(self.held.machines[amphora_id], running=True)

    def bring_down(self, amphora_id: str) -> None:
        """The machine has stopped by itself."""
        self.held.machines[amphora_id] = evolve(self.held.machines[amphora_id], running=False)


@implementer(INetworkDriver)
class MemoryNetwork:
    """
    One network with an IPv4 and an IPv6 subnet.

    @ivar allocated: by load balancer's id, the VIPs that haven't been released.
    @ivar additional: by load balancer's id and place, the additional ones.
    @ivar plugged: pairs of amphora's and load balancer's id.
    """

    def __init__(self) -> None:
        self.allocated: dict[str, Vip] = {}
        self.additional: dict[tuple[str, int], Vip] = {}
        self.plugged: set[tuple[str, str]] = set()
        self.trouble = Trouble()

    async def subnet(self, subnet_id: str) -> Subnet | None:
        """See L{INetworkDriver}."""
        self.trouble.befall()
        return next((s for s in SUBNETS if s.id == subnet_id), None)

    async def network(self, network_id: str) -> Network | None:
        """See L{INetworkDriver}."""
        self.trouble.befall()
        return NETWORK if network_id == NETWORK.id else None

    async def networks(self) -> tuple[Network, ...]:
        """See L{INetworkDriver}."""
        self.trouble.befall()
        return (NETWORK,)

    async def check_vip(self, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}."""
        self.trouble.befall()
        check_front_ends(load_balancer, (NETWORK,), SUBNETS)

    async def allocate_vip(self, load_balancer: LoadBalancer, taken: frozenset[str]) -> Vip:
        """See L{INetworkDriver}."""
        self.trouble.befall()
        vip = self._vip(vip_of(load_balancer), taken)
        self.allocated[load_balancer.id] = vip
        return vip

    async def allocate_additional_vip(
        self, load_balancer: LoadBalancer, at: int, taken: frozenset[str]
    ) -> AdditionalVip:
        """See L{INetworkDriver}."""
        self.trouble.befall()
        vip = self._vip(additional_vip_of(load_balancer, at, load_balancer.vip_network_id), taken)
        self.additional[load_balancer.id, at] = vip
        return AdditionalVip(ip_address=vip.address, port_id=vip.port_id, subnet_id=vip.subnet_id)

    def _vip(self, asked: Asked, taken: frozenset[str]) -> Vip:
        check_port(asked)
        subnet = choose_subnet(asked, (NETWORK,), SUBNETS)
        return Vip(
            address=choose_address(asked, subnet, taken),
            port_id=port_of(asked.key),
            subnet_id=subnet.id,
            network_id=NETWORK.id,
        )

    async def release_vip(self, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}."""
        self.trouble.befall()
        self.allocated.pop(load_balancer.id, None)
        self.additional = {key: vip for key, vip in self.additional.items() if key[0] != load_balancer.id}

    async def plug_vip(self, amphora: Amphora, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver}."""
        self.trouble.befall()
        self.plugged.add((amphora.id, load_balancer.id))
