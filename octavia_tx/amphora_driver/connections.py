"""
HTTPS connections to amphorae, kept for the next call.

Each amphora has a pool and TLS settings of its own, so that a connection that was made to one is never used for
another that has its address now.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from attrs import frozen
from twisted.internet.defer import gatherResults
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IReactorTime
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.iweb import IAgent, IPolicyForHTTPS
from zope.interface import implementer

from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role

# Seconds.
CONNECT_TIMEOUT: Final = 2.0
# Shorter than the agent's patience with an idle connection, so that no call meets one that it is just closing.
IDLE_TIMEOUT: Final = 30.0
# Amphorae for which settings and idle connections are kept.
KEPT: Final = 1024


@implementer(IPolicyForHTTPS)
@frozen
class _OnePeer:
    """Whatever the address, the other side must be this peer."""

    creator: MutualTLS

    def creatorForNetloc(self, hostname: bytes, port: int) -> IOpenSSLClientConnectionCreator:
        """See L{IPolicyForHTTPS}."""
        return self.creator


class Connections:
    """Connections of one controller, by amphora."""

    def __init__(self, reactor: IReactorTime, credential: Credential) -> None:
        self._reactor = reactor
        self._credential = credential
        self._agents: OrderedDict[str, tuple[Agent, HTTPConnectionPool]] = OrderedDict()

    def agent(self, amphora_id: str) -> IAgent:
        """What makes requests of this amphora and of no other."""
        if amphora_id not in self._agents:
            self._agents[amphora_id] = self._made(amphora_id)
            if len(self._agents) > KEPT:
                _, (_, oldest) = self._agents.popitem(last=False)
                oldest.closeCachedConnections()
        self._agents.move_to_end(amphora_id)
        return self._agents[amphora_id][0]

    def renew(self, credential: Credential) -> None:
        """Use this credential of the controller from now on."""
        self._credential = credential
        replaced, self._agents = self._agents, OrderedDict()
        for _, pool in replaced.values():
            pool.closeCachedConnections()

    async def close(self) -> None:
        """Close the idle connections."""
        agents, self._agents = self._agents, OrderedDict()
        await gatherResults([pool.closeCachedConnections() for _, pool in agents.values()])

    def _made(self, amphora_id: str) -> tuple[Agent, HTTPConnectionPool]:
        pool = HTTPConnectionPool(self._reactor)
        pool.cachedConnectionTimeout = IDLE_TIMEOUT
        policy = _OnePeer(MutualTLS(self._credential, Peer(role=Role.AMPHORA, identifier=amphora_id)))
        return Agent(self._reactor, policy, CONNECT_TIMEOUT, pool=pool), pool
