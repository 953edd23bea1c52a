"""
A modelled cloud: compute, network and amphorae in memory, that fail where they are told to.

For tests of what drives them. All share one L{Faults}, in which every call is one point: the script says what happens
at which.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from enum import Enum
from uuid import NAMESPACE_OID, uuid5

from attrs import evolve, frozen
from cryptography.x509 import load_pem_x509_certificate
from zope.interface import implementer

from octavia_tx.errors import (
    AddressUnavailable,
    AmphoraUnreachable,
    CloudError,
    ConfigurationRejected,
    OctaviaError,
    StaleFence,
)
from octavia_tx.interfaces import IAmphoraDriver, IComputeDriver, INetworkDriver
from octavia_tx.model.amphora import AgentInfo, Amphora, Boot, Machine, Network, Subnet, Vip
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.resources import AdditionalVip, LoadBalancer
from octavia_tx.model.tree import Tree
from octavia_tx.model.vips import Asked, additional_vip_of, vip_of
from octavia_tx.wire.tls import Credential


class Killed(BaseException):
    """The process that made the call is dead. Nothing may catch this."""


class Fault(Enum):
    """What happens at a point, before or after what it does."""

    RAISE_BEFORE = "raise before"
    RAISE_AFTER = "raise after"
    DIE_BEFORE = "die before"
    DIE_AFTER = "die after"


class Faults:
    """
    The points passed so far, and what shall happen at those to come.

    @param script: by number, from 0, what happens at that point.
    @ivar passed: the names of the points, in order.
    """

    def __init__(self, script: Mapping[int, Fault] | None = None) -> None:
        self._script = dict(script or {})
        self._dead = False
        self.passed: list[str] = []

    def script(self, further: Mapping[int, Fault]) -> None:
        """What shall happen at further points."""
        self._script.update(further)

    @property
    def dead(self) -> bool:
        """Whether the process was killed; then every further call of it is, too."""
        return self._dead

    def revive(self) -> None:
        """A new process takes over; numbers go on."""
        self._dead = False

    @asynccontextmanager
    async def point(self, name: str, error: type[OctaviaError] = CloudError) -> AsyncIterator[None]:
        """
        One call; its effect is what's inside.

        @param error: what is raised when the call fails, or its answer is lost.
        @raise Killed: the process dies here, or was dead before.
        """
        if self._dead:
            raise Killed(name)
        fault = self._script.get(len(self.passed))
        self.passed.append(name)
        if fault is Fault.DIE_BEFORE:
            self._die(name)
        if fault is Fault.RAISE_BEFORE:
            raise error(f"{name} failed, as the test wants it.")
        yield
        if fault is Fault.DIE_AFTER:
            self._die(name)
        if fault is Fault.RAISE_AFTER:
            raise error(f"The answer of {name} was lost, as the test wants it.")

    def _die(self, name: str) -> None:
        self._dead = True
        raise Killed(name)


@implementer(IComputeDriver)
class ModelCompute:
    """
    Machines that exist by being named.

    @ivar machines: those that exist, by their amphora's id.
    @ivar made: ids of all that ever were, in the order in which they were made.
    @ivar serials: of the certificates that they were made with, by their amphora's id, in lower-case hexadecimal.
    """

    def __init__(self, faults: Faults | None = None) -> None:
        self._faults = faults or Faults()
        self.machines: dict[str, Machine] = {}
        self.made: list[str] = []
        self.serials: dict[str, str] = {}

    async def ensure(self, boot: Boot) -> Machine:
        """See L{IComputeDriver.ensure}."""
        async with self._faults.point("compute.ensure"):
            if boot.amphora_id not in self.machines:
                self.made.append(boot.amphora_id)
                certificate = load_pem_x509_certificate(boot.files["agent.pem"])
                self.serials[boot.amphora_id] = format(certificate.serial_number, "x")
                self.machines[boot.amphora_id] = Machine(
                    amphora_id=boot.amphora_id,
                    compute_id=str(uuid5(NAMESPACE_OID, boot.amphora_id)),
                    running=True,
                    lb_network_ip=f"127.1.{len(self.made) // 250}.{len(self.made) % 250 + 1}",
                )
        return self.machines[boot.amphora_id]

    async def find(self, amphora_id: str) -> Machine | None:
        """See L{IComputeDriver.find}."""
        async with self._faults.point("compute.find"):
            return self.machines.get(amphora_id)

    async def list(self) -> tuple[Machine, ...]:
        """See L{IComputeDriver.list}."""
        async with self._faults.point("compute.list"):
            return tuple(self.machines.values())

    async def destroy(self, amphora_id: str) -> None:
        """See L{IComputeDriver.destroy}."""
        async with self._faults.point("compute.destroy"):
            self.machines.pop(amphora_id, None)


@implementer(INetworkDriver)
class ModelNetwork:
    """
    One network with one subnet, 10.0.0.0/16.

    @ivar vips: what is allocated, by the load balancer's id.
    @ivar additional: the same of additional VIPs, by the load balancer's id and their place.
    @ivar plugged: pairs of an amphora's and a load balancer's id.
    """

    SUBNET = Subnet(
        id="5ab00000-0000-4000-8000-000000000001",
        name="model",
        network_id="4e700000-0000-4000-8000-000000000001",
        cidr="10.0.0.0/16",
        ip_version=4,
    )
    NETWORK = Network(id=SUBNET.network_id, name="model", subnet_ids=(SUBNET.id,))

    def __init__(self, faults: Faults | None = None) -> None:
        self._faults = faults or Faults()
        self.vips: dict[str, Vip] = {}
        self.additional: dict[tuple[str, int], Vip] = {}
        self.plugged: set[tuple[str, str]] = set()

    async def subnet(self, subnet_id: str) -> Subnet | None:
        """See L{INetworkDriver.subnet}."""
        return self.SUBNET if subnet_id == self.SUBNET.id else None

    async def network(self, network_id: str) -> Network | None:
        """See L{INetworkDriver.network}."""
        return self.NETWORK if network_id == self.NETWORK.id else None

    async def networks(self) -> tuple[Network, ...]:
        """See L{INetworkDriver.networks}."""
        return (self.NETWORK,)

    async def check_vip(self, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver.check_vip}."""

    async def allocate_vip(self, load_balancer: LoadBalancer, taken: frozenset[str]) -> Vip:
        """See L{INetworkDriver.allocate_vip}."""
        async with self._faults.point("network.allocate_vip"):
            known = self._vip(vip_of(load_balancer), taken)
            self.vips[load_balancer.id] = known
        return known

    async def allocate_additional_vip(
        self, load_balancer: LoadBalancer, at: int, taken: frozenset[str]
    ) -> AdditionalVip:
        """See L{INetworkDriver.allocate_additional_vip}."""
        async with self._faults.point("network.allocate_additional_vip"):
            vip = self._vip(additional_vip_of(load_balancer, at, load_balancer.vip_network_id), taken)
            self.additional[load_balancer.id, at] = vip
        return AdditionalVip(ip_address=vip.address, port_id=vip.port_id, subnet_id=vip.subnet_id)

    def _vip(self, asked: Asked, taken: frozenset[str]) -> Vip:
        free = (a for i in range(1, 65000) if (a := f"10.0.{i // 250}.{i % 250 + 1}") not in taken)
        if asked.address in taken:
            raise AddressUnavailable(f"Address {asked.address} is taken.")
        return Vip(
            address=asked.address or next(free),
            port_id=str(uuid5(NAMESPACE_OID, f"port of {asked.key}")),
            subnet_id=self.SUBNET.id,
            network_id=self.NETWORK.id,
        )

    async def release_vip(self, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver.release_vip}."""
        async with self._faults.point("network.release_vip"):
            self.vips.pop(load_balancer.id, None)
            self.additional = {key: vip for key, vip in self.additional.items() if key[0] != load_balancer.id}

    async def plug_vip(self, amphora: Amphora, load_balancer: LoadBalancer) -> None:
        """See L{INetworkDriver.plug_vip}."""
        async with self._faults.point("network.plug_vip"):
            self.plugged.add((amphora.id, load_balancer.id))


@frozen(kw_only=True)
class Served:
    """What an amphora serves of one load balancer, and the highest fence that it has seen for it."""

    tree: Tree | None
    fence: int


@implementer(IAmphoraDriver)
class ModelAmphorae:
    """
    Amphorae on the machines of a L{ModelCompute}: they answer as long as their machine exists.

    @ivar silent_for: questions that a new amphora leaves unanswered, as it is booting.
    @ivar served: by amphora's id and load balancer's id.
    @ivar configured: by amphora's id, the settings that its agent was sent.
    @ivar pushes: how many trees were applied.
    @ivar connections: that are left on an amphora that is drained; one ends with each question.
    @ivar unsent: bytes of log that aren't shipped; once the load balancer is C{withdrawn}, one is with each question.
    @ivar gaps: how often one was drained while no other served its load balancer.
    @ivar rejects: a sentence with which every configuration is refused; C{None}: none is.
    """

    def __init__(self, compute: ModelCompute, faults: Faults | None = None, *, silent_for: int = 0) -> None:
        self._compute = compute
        self._faults = faults or Faults()
        self.silent_for = silent_for
        self._asked: dict[str, int] = {}
        self.served: dict[tuple[str, str], Served] = {}
        self.configured: dict[str, str] = {}
        self.pushes = 0
        self.connections = 0
        self.gaps = 0
        self.unsent = 0
        self.withdrawn: set[tuple[str, str]] = set()
        self.rejects: str | None = None

    def _reach(self, amphora: Amphora) -> None:
        machine = self._compute.machines.get(amphora.id)
        if machine is None or amphora.lb_network_ip != machine.lb_network_ip:
            raise AmphoraUnreachable(amphora.id, "There is nobody.")

    async def info(self, amphora: Amphora) -> AgentInfo:
        """See L{IAmphoraDriver.info}."""
        async with self._faults.point("amphora.info"):
            self._reach(amphora)
            self._asked[amphora.id] = self._asked.get(amphora.id, 0) + 1
            if self._asked[amphora.id] <= self.silent_for:
                raise AmphoraUnreachable(amphora.id, "It is booting.")
        return AgentInfo(hostname=amphora.id, api_version="1.0", haproxy_version="3.0")

    async def apply(self, amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> None:
        """See L{IAmphoraDriver.apply}."""
        async with self._faults.point("amphora.apply"):
            self._set(amphora, tree.load_balancer.id, tree, fence)
            self.pushes += 1

    async def drain(self, amphora: Amphora, load_balancer_id: str, fence: int) -> int:
        """See L{IAmphoraDriver.drain}."""
        async with self._faults.point("amphora.drain"):
            self._set(amphora, load_balancer_id, None, fence)
            self.gaps += not self.serving(load_balancer_id)
            self.connections = max(0, self.connections - 1)
        return self.connections

    async def configure(self, amphora: Amphora, text: str) -> None:
        """See L{IAmphoraDriver.configure}."""
        async with self._faults.point("amphora.configure"):
            self._reach(amphora)
            self.configured[amphora.id] = text

    async def renew_certificate(self, amphora: Amphora, credential: Credential) -> None:
        """See L{IAmphoraDriver.renew_certificate}."""
        async with self._faults.point("amphora.renew_certificate"):
            self._reach(amphora)
            self._compute.serials[amphora.id] = format(load_pem_x509_certificate(credential.pem).serial_number, "x")

    async def unshipped(self, amphora: Amphora, load_balancer_id: str) -> int:
        """See L{IAmphoraDriver.unshipped}."""
        async with self._faults.point("amphora.unshipped"):
            self._reach(amphora)
            if (amphora.id, load_balancer_id) not in self.withdrawn:
                return self.unsent
            self.unsent = max(0, self.unsent - 1)
        return self.unsent

    async def withdraw(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        """See L{IAmphoraDriver.withdraw}."""
        async with self._faults.point("amphora.withdraw"):
            self._set(amphora, load_balancer_id, None, fence)
            self.withdrawn.add((amphora.id, load_balancer_id))

    def _set(self, amphora: Amphora, load_balancer_id: str, tree: Tree | None, fence: int) -> None:
        self._reach(amphora)
        key = (amphora.id, load_balancer_id)
        before = self.served.get(key, Served(tree=None, fence=0))
        if fence < before.fence:
            raise StaleFence(amphora.id, f"Fence {fence} is older than {before.fence}.")
        self.served[key] = evolve(before, fence=fence)
        if tree is not None and self.rejects is not None:
            raise ConfigurationRejected(amphora.id, self.rejects)
        self.served[key] = Served(tree=tree, fence=fence)

    def serving(self, load_balancer_id: str) -> dict[str, Tree]:
        """By amphora's id, what living amphorae serve of a load balancer."""
        return {
            amphora_id: served.tree
            for (amphora_id, of), served in self.served.items()
            if of == load_balancer_id and served.tree is not None and amphora_id in self._compute.machines
        }
