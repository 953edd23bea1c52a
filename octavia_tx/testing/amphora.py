"""Amphorae in memory: the amphora driver's verified fake, which passes the contract's suite as the real one does."""

from __future__ import annotations

import tomllib
from collections import Counter

from attrs import define, field
from cryptography import x509
from zope.interface import implementer

from octavia_tx.errors import AmphoraRefused, AmphoraUnreachable, ConfigurationRejected, StaleFence
from octavia_tx.interfaces import IAmphoraDriver
from octavia_tx.model.amphora import AgentInfo, Amphora
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.handshake import references
from octavia_tx.model.tree import Tree
from octavia_tx.wire.rest import API_VERSION
from octavia_tx.wire.tls import Credential, Peer, Role


@define
class MemoryAmphora:
    """
    One amphora.

    @ivar serving: what it serves, by the load balancer's id.
    @ivar secrets: by what certificates, by the load balancer's id.
    @ivar fences: the highest fence seen, by the load balancer's id.
    @ivar applied: how often a tree was accepted.
    @ivar configuration: its agent's settings, if they were ever renewed.
    @ivar credential: its agent's own, if it was ever renewed.
    """

    id: str
    serving: dict[str, Tree] = field(factory=dict)
    secrets: dict[str, Secrets] = field(factory=dict)
    fences: dict[str, int] = field(factory=dict)
    applied: int = 0
    configuration: str = field(default="", repr=False)
    credential: Credential | None = None


@implementer(IAmphoraDriver)
@define
class MemoryAmphorae:
    """
    Amphorae by the address of their agent, and the driver that speaks with them.

    A test calls L{boot} and L{lose}, and looks at C{running}.

    @ivar trusted: whether the amphorae accept this controller's certificate.
    """

    running: dict[str, MemoryAmphora] = field(factory=dict)
    trusted: bool = True

    def boot(self, address: str, amphora_id: str) -> MemoryAmphora:
        """Have an amphora answer at that address from now on; what had the address before is gone."""
        self.running[address] = MemoryAmphora(amphora_id)
        return self.running[address]

    def lose(self, address: str) -> None:
        """Have nothing answer at that address any more."""
        self.running.pop(address, None)

    def stranger(self) -> MemoryAmphorae:
        """The same amphorae as seen by a controller whose certificate they don't accept."""
        return MemoryAmphorae(running=self.running, trusted=False)

    async def info(self, amphora: Amphora) -> AgentInfo:
        """See L{IAmphoraDriver.info}."""
        self._reached(amphora)
        return AgentInfo(hostname=f"amphora-{amphora.id}", api_version=API_VERSION, haproxy_version="2.6.12")

    async def apply(self, amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> None:
        """See L{IAmphoraDriver.apply}."""
        if missing := references(tree).missing(secrets):
            raise ConfigurationRejected(amphora.id, f"there's no certificate for {', '.join(missing)}.")
        reached = self._fenced(amphora, tree.load_balancer.id, fence)
        # haproxy refuses two servers of one name.
        members = Counter((member.pool_id, member.id) for member in tree.members)
        if any(count > 1 for count in members.values()):
            raise ConfigurationRejected(amphora.id, "two members of a pool have the same id.")
        reached.applied += 1
        if tree.load_balancer.admin_state_up and any(listener.admin_state_up for listener in tree.listeners):
            reached.serving[tree.load_balancer.id] = tree
            reached.secrets[tree.load_balancer.id] = secrets
        else:
            reached.serving.pop(tree.load_balancer.id, None)

    async def drain(self, amphora: Amphora, load_balancer_id: str, fence: int) -> int:
        """See L{IAmphoraDriver.drain}. There are no connections."""
        self._fenced(amphora, load_balancer_id, fence).serving.pop(load_balancer_id, None)
        return 0

    async def configure(self, amphora: Amphora, text: str) -> None:
        """See L{IAmphoraDriver.configure}."""
        reached = self._reached(amphora)
        try:
            tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationRejected(amphora.id, f"not TOML: {error}") from error
        reached.configuration = text

    async def renew_certificate(self, amphora: Amphora, credential: Credential) -> None:
        """See L{IAmphoraDriver.renew_certificate}. Who issued it isn't looked at."""
        reached = self._reached(amphora)
        try:
            certificate = x509.load_pem_x509_certificate(credential.pem)
        except ValueError as error:
            raise ConfigurationRejected(amphora.id, f"not a certificate: {error}") from error
        if not Peer(role=Role.AMPHORA, identifier=amphora.id).accepts(certificate):
            raise ConfigurationRejected(amphora.id, "the certificate is another's.")
        reached.credential = credential

    async def unshipped(self, amphora: Amphora, load_balancer_id: str) -> int:
        """See L{IAmphoraDriver.unshipped}. Nothing is logged."""
        self._reached(amphora)
        return 0

    async def withdraw(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        """See L{IAmphoraDriver.withdraw}."""
        self._fenced(amphora, load_balancer_id, fence).serving.pop(load_balancer_id, None)

    def listens(self, address: str, port: int) -> bool:
        """Whether any amphora answers on that port of a front-end address."""
        return any(
            listener.protocol_port == port and listener.admin_state_up
            for amphora in self.running.values()
            for tree in amphora.serving.values()
            if tree.load_balancer.vip_address == address
            for listener in tree.listeners
        )

    def _reached(self, amphora: Amphora) -> MemoryAmphora:
        reached = self.running.get(amphora.lb_network_ip or "")
        if reached is None:
            raise AmphoraUnreachable(amphora.id, f"nothing answers at {amphora.lb_network_ip}.")
        if reached.id != amphora.id or not self.trusted:
            raise AmphoraRefused(amphora.id, "a certificate, role or id isn't accepted.")
        return reached

    def _fenced(self, amphora: Amphora, load_balancer_id: str, fence: int) -> MemoryAmphora:
        reached = self._reached(amphora)
        seen = reached.fences.get(load_balancer_id, fence)
        if fence < seen:
            raise StaleFence(amphora.id, f"fence {fence} is lower than {seen}.")
        reached.fences[load_balancer_id] = fence
        return reached
