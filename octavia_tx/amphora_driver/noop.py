"""An amphora driver that does nothing, at once: to measure and try all the rest."""

from __future__ import annotations

from zope.interface import implementer

from octavia_tx.interfaces import IAmphoraDriver
from octavia_tx.model.amphora import AgentInfo, Amphora
from octavia_tx.model.tree import Tree
from octavia_tx.wire.rest import API_VERSION


@implementer(IAmphoraDriver)
class NoopDriver:
    """Every amphora answers, and accepts all."""

    async def info(self, amphora: Amphora) -> AgentInfo:
        """See L{IAmphoraDriver.info}."""
        return AgentInfo(hostname=f"amphora-{amphora.id}", api_version=API_VERSION, haproxy_version="none")

    async def apply(self, amphora: Amphora, tree: Tree, fence: int) -> None:
        """See L{IAmphoraDriver.apply}."""

    async def drain(self, amphora: Amphora, load_balancer_id: str, fence: int) -> int:
        """See L{IAmphoraDriver.drain}."""
        return 0

    async def configure(self, amphora: Amphora, text: str) -> None:
        """See L{IAmphoraDriver.configure}."""

    async def withdraw(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        """See L{IAmphoraDriver.withdraw}."""
