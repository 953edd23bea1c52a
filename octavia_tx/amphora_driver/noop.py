"""An amphora driver that does nothing, at once: to measure and try all the rest."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve
from zope.interface import implementer

from octavia_tx.errors import IncompatibleConfiguration
from octavia_tx.interfaces import IAmphoraDriver
from octavia_tx.model.amphora import AgentInfo, Amphora
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.resources import Listener
from octavia_tx.model.tree import Tree
from octavia_tx.wire.rest import API_VERSION
from octavia_tx.wire.tls import Credential

Render = Callable[[Tree, str], str]


@implementer(IAmphoraDriver)
class NoopDriver:
    """Every amphora answers, and accepts all."""

    async def info(self, amphora: Amphora) -> AgentInfo:
        """See L{IAmphoraDriver.info}."""
        return AgentInfo(hostname=f"amphora-{amphora.id}", api_version=API_VERSION, haproxy_version="none")

    async def apply(self, amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> None:
        """See L{IAmphoraDriver.apply}."""

    async def drain(self, amphora: Amphora, load_balancer_id: str, fence: int) -> int:
        """See L{IAmphoraDriver.drain}."""
        return 0

    async def configure(self, amphora: Amphora, text: str) -> None:
        """See L{IAmphoraDriver.configure}."""

    async def renew_certificate(self, amphora: Amphora, credential: Credential) -> None:
        """See L{IAmphoraDriver.renew_certificate}."""

    async def unshipped(self, amphora: Amphora, load_balancer_id: str) -> int:
        """See L{IAmphoraDriver.unshipped}."""
        return 0

    async def withdraw(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        """See L{IAmphoraDriver.withdraw}."""


def renderable(render: Render) -> Render:
    """The same, but that it leaves out listeners that haproxy can't serve: amphorae that don't exist accept them."""

    def rendered(tree: Tree, amphora_id: str) -> str:
        def served(listener: Listener) -> bool:
            try:
                render(evolve(tree, listeners=(listener,)), amphora_id)
            except IncompatibleConfiguration:
                return False
            return True

        try:
            return render(tree, amphora_id)
        except IncompatibleConfiguration:
            return render(evolve(tree, listeners=tuple(filter(served, tree.listeners))), amphora_id)

    return rendered
