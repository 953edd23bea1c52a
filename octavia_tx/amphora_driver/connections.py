"""
HTTPS connections to amphorae, kept for the next call.

An amphora is named by its id in URLs, as in its certificate: C{https://<id>:9443/1.0/info}. Where that is, it is
known here. Each amphora has a pool and TLS settings of its own, so that a connection that was made to one is never
used for another that has its address now.
"""

from __future__ import annotations

from collections import OrderedDict
from ipaddress import ip_address
from typing import Final

from attrs import frozen
from twisted.internet.defer import gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.web.client import URI, Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent, IAgentEndpointFactory
from zope.interface import implementer

from octavia_tx.errors import AmphoraUnreachable
from octavia_tx.model.amphora import Amphora
from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role

# Seconds.
CONNECT_TIMEOUT: Final = 2.0
# Shorter than the agent's patience with an idle connection, so that no call meets one that it is just closing.
IDLE_TIMEOUT: Final = 30
# Amphorae for which settings and idle connections are kept.
KEPT: Final = 1024


@implementer(IAgentEndpointFactory)
@frozen
class _OnePeer:
    """Whatever the URL, connections go to that address and the other side must be that peer."""

    reactor: IReactorTime
    address: str
    tls: MutualTLS

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:
        """See L{IAgentEndpointFactory}."""
        kind = TCP6ClientEndpoint if ip_address(self.address).version == 6 else TCP4ClientEndpoint
        return wrapClientTLS(self.tls, kind(self.reactor, self.address, uri.port, CONNECT_TIMEOUT))


class Connections:
    """Connections of one controller, by amphora and address."""

    def __init__(self, reactor: IReactorTime, credential: Credential) -> None:
        self._reactor = reactor
        self._credential = credential
        self._agents: OrderedDict[tuple[str, str], tuple[IAgent, HTTPConnectionPool]] = OrderedDict()

    def agent(self, amphora: Amphora) -> IAgent:
        """
        What makes requests of this amphora and of no other.

        @raise AmphoraUnreachable: its address isn't known yet.
        """
        if amphora.lb_network_ip is None:
            raise AmphoraUnreachable(amphora.id, "its address isn't known yet.")
        key = (amphora.id, amphora.lb_network_ip)
        if key not in self._agents:
            self._agents[key] = self._made(*key)
            if len(self._agents) > KEPT:
                _, (_, oldest) = self._agents.popitem(last=False)
                oldest.closeCachedConnections()
        self._agents.move_to_end(key)
        return self._agents[key][0]

    def renew(self, credential: Credential) -> None:
        """Use this credential of the controller from now on; calls under way finish with the old one."""
        self._credential = credential
        replaced, self._agents = self._agents, OrderedDict()
        for _, pool in replaced.values():
            pool.closeCachedConnections()

    async def close(self) -> None:
        """Close the idle connections."""
        agents, self._agents = self._agents, OrderedDict()
        await gatherResults([pool.closeCachedConnections() for _, pool in agents.values()])

    def _made(self, amphora_id: str, address: str) -> tuple[IAgent, HTTPConnectionPool]:
        pool = HTTPConnectionPool(self._reactor)
        pool.cachedConnectionTimeout = IDLE_TIMEOUT
        tls = MutualTLS(self._credential, Peer(role=Role.AMPHORA, identifier=amphora_id))
        return Agent.usingEndpointFactory(self._reactor, _OnePeer(self._reactor, address, tls), pool), pool
