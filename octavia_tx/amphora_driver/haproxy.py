"""The amphora driver of haproxy: renders what an amphora should run, and tells its agent."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import md5

from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IAgent
from zope.interface import implementer

from octavia_tx.amphora_driver.client import AgentClient
from octavia_tx.amphora_driver.connections import Connections
from octavia_tx.amphora_driver.grammar import Unrenderable
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.amphora_driver.tls import files
from octavia_tx.errors import AmphoraError, ConfigurationRejected
from octavia_tx.interfaces import IAmphoraDriver
from octavia_tx.model.amphora import AgentInfo, Amphora
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.tree import Tree
from octavia_tx.wire.logs import LogTerms, encode
from octavia_tx.wire.rest import AGENT_PORT
from octavia_tx.wire.tls import Credential


@implementer(IAmphoraDriver)
class HaproxyDriver:
    """
    Amphorae that run haproxy under our agent or OpenStack's.

    Whoever made it calls L{close} at the end.

    @param credential: the controller's own.
    @param log_terms: on which a load balancer's access log is shipped; C{None}: it has none.
    @param agent_for: in tests, what makes requests in place of HTTPS.
    """

    def __init__(
        self,
        reactor: IReactorTime,
        credential: Credential,
        renderer: Renderer,
        port: int = AGENT_PORT,
        *,
        log_terms: Callable[[Tree], LogTerms | None] = lambda _tree: None,
        agent_for: Callable[[Amphora], IAgent] | None = None,
    ) -> None:
        self._connections = Connections(reactor, credential)
        self._client = AgentClient(reactor, agent_for or self._connections.agent, port)
        self._renderer = renderer
        self._log_terms = log_terms

    async def info(self, amphora: Amphora) -> AgentInfo:
        """See L{IAmphoraDriver.info}."""
        said = await self._client.info(amphora)
        try:
            return AgentInfo(**{name: str(said[name]) for name in ("hostname", "api_version", "haproxy_version")})
        except KeyError as error:
            raise AmphoraError(amphora.id, f"it doesn't tell its {error.args[0]}.") from error

    async def apply(self, amphora: Amphora, tree: Tree, fence: int, secrets: Secrets) -> None:
        """
        See L{IAmphoraDriver.apply}.

        A load balancer with nothing to serve is withdrawn: haproxy doesn't run without a listener. Files that the new
        configuration doesn't name any more are removed by the agent itself.
        """
        load_balancer_id = tree.load_balancer.id
        try:
            text = self._renderer.render(tree, amphora.id)
            named = files(tree, secrets)
        except Unrenderable as error:
            raise ConfigurationRejected(amphora.id, str(error)) from error
        if not text:
            await self._client.remove(amphora, load_balancer_id, fence)
            return
        if (terms := self._log_terms(tree)) is not None:
            await self._client.put_log_terms(amphora, load_balancer_id, encode(terms), fence)
        if named:
            there = await self._client.certificates(amphora, load_balancer_id)
            for name, content in named.items():
                if there.get(name) != md5(content, usedforsecurity=False).hexdigest():
                    await self._client.put_certificate(amphora, load_balancer_id, name, content, fence)
        await self._client.upload(amphora, load_balancer_id, text, fence)
        await self._client.reload(amphora, load_balancer_id, fence)

    async def drain(self, amphora: Amphora, load_balancer_id: str, fence: int) -> int:
        """See L{IAmphoraDriver.drain}. OpenStack's agent can't, and says so."""
        return await self._client.drain(amphora, load_balancer_id, fence)

    async def configure(self, amphora: Amphora, text: str) -> None:
        """See L{IAmphoraDriver.configure}."""
        await self._client.configure(amphora, text)

    async def renew_certificate(self, amphora: Amphora, credential: Credential) -> None:
        """See L{IAmphoraDriver.renew_certificate}."""
        await self._client.renew_certificate(amphora, credential.pem)

    async def unshipped(self, amphora: Amphora, load_balancer_id: str) -> int:
        """See L{IAmphoraDriver.unshipped}."""
        return await self._client.unshipped(amphora, load_balancer_id)

    async def withdraw(self, amphora: Amphora, load_balancer_id: str, fence: int) -> None:
        """See L{IAmphoraDriver.withdraw}."""
        await self._client.remove(amphora, load_balancer_id, fence)

    def renew(self, credential: Credential) -> None:
        """Use this credential of the controller for all connections from now on."""
        self._connections.renew(credential)

    async def close(self) -> None:
        """Close the connections that are kept for the next call."""
        await self._connections.close()
