"""The API on a loopback socket over a real database, with a network that has a few subnets."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

import treq
from attrs import frozen
from cryptography.fernet import Fernet
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.client import Agent, HTTPConnectionPool
from zope.interface import implementer

from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.api.call import Parts
from octavia_tx.api.resource import Served
from octavia_tx.api.root import Api
from octavia_tx.cloud.keyring import Keyring
from octavia_tx.cloud.noauth import NoAuth
from octavia_tx.controller.preview import Preview
from octavia_tx.db import load_balancers
from octavia_tx.db.vault import Vault
from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import CloudError
from octavia_tx.interfaces import ICertificateManager, INetworkDriver
from octavia_tx.model.amphora import Amphora, Network, Subnet, Vip
from octavia_tx.model.bounds import Bounds
from octavia_tx.model.resources import AdditionalVip, LoadBalancer
from octavia_tx.tap.site import QuietSite
from tests.integration.postgres import PostgresCase

NETWORK = "a0000000-0000-4000-8000-000000000000"
SUBNET = "a0000000-0000-4000-8000-000000000004"
SUBNET6 = "a0000000-0000-4000-8000-000000000006"
UNKNOWN = "ffffffff-0000-4000-8000-000000000000"

_SUBNETS = (
    Subnet(id=SUBNET6, name="six", network_id=NETWORK, cidr="2001:db8::/64", ip_version=6),
    Subnet(id=SUBNET, name="four", network_id=NETWORK, cidr="192.0.2.0/24", ip_version=4),
)


@implementer(INetworkDriver)
class TwoSubnets:
    """One network with a subnet of each IP version; it never answers when it is asked for addresses."""

    async def subnet(self, subnet_id: str) -> Subnet | None:
        return next((s for s in _SUBNETS if s.id == subnet_id), None)

    async def network(self, network_id: str) -> Network | None:
        return next(iter(await self.networks())) if network_id == NETWORK else None

    async def networks(self) -> tuple[Network, ...]:
        return (Network(id=NETWORK, name="both", subnet_ids=tuple(s.id for s in _SUBNETS)),)

    async def check_vip(self, load_balancer: LoadBalancer) -> None:
        """Its ports aren't known here."""

    async def allocate_vip(self, load_balancer: LoadBalancer, taken: frozenset[str]) -> Vip:
        raise CloudError("No answer.")

    async def allocate_additional_vip(
        self, load_balancer: LoadBalancer, at: int, taken: frozenset[str]
    ) -> AdditionalVip:
        raise NotImplementedError

    async def release_vip(self, load_balancer: LoadBalancer) -> None:
        raise NotImplementedError

    async def plug_vip(self, amphora: Amphora, load_balancer: LoadBalancer) -> None:
        raise NotImplementedError


@frozen
class Reply:
    """What the API said."""

    status: int
    body: Any
    headers: dict[str, str]

    @property
    def sentence(self) -> str:
        """A fault's sentence."""
        assert self.body.keys() == {"faultcode", "faultstring", "debuginfo"}, self.body
        return str(self.body["faultstring"])


class ApiCase(PostgresCase):
    """
    @cvar further: what is served beside the usual routes.
    @ivar vault: the embedded store of secrets.
    @ivar base: the URL that stands before C{/v2/lbaas}.
    """

    accept_all = False
    further: tuple[Served, ...] = ()
    identity: Any = NoAuth()
    network: Any = TwoSubnets()
    quotas: dict[str, int] = {}
    bounds = Bounds()

    def providers(self) -> Providers:
        """Those who provide load balancers."""
        return Providers((AmphoraProvider(accept_all=self.accept_all),), reactor)

    def certificates(self) -> ICertificateManager | None:
        """Who keeps what requests refer to."""
        return None

    async def _prepare(self) -> None:
        await super()._prepare()
        providers = self.providers()
        self.vault = Vault(self.database, Keyring((Fernet.generate_key(),)))
        self.api = Api(
            Parts(
                clock=reactor,
                database=self.database,
                providers=providers,
                network=self.network,
                identity=self.identity,
                preview=Preview(Renderer().render, providers),
                quotas=self.quotas,
                vault=self.vault,
                certificates=self.certificates(),
                bounds=self.bounds,
            ),
            self.further,
        )
        self.site = site = QuietSite(self.api.resource(), reactor)
        self.port = reactor.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(lambda: maybeDeferred(self.port.stopListening))
        self.addCleanup(lambda: Deferred.fromCoroutine(site.drain()))
        self.base = f"http://127.0.0.1:{self.port.getHost().port}"
        pool = HTTPConnectionPool(reactor)
        self.addCleanup(pool.closeCachedConnections)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.api.drain()))
        self.agent = Agent(reactor, pool=pool)

    async def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, raw: bytes | None = None
    ) -> Reply:
        """One request; a path without a leading slash is below C{/v2/lbaas}."""
        url = self.base + path if path.startswith("/") else f"{self.base}/v2/lbaas/{path}"
        data = json.dumps(body).encode() if body is not None else raw
        response = await treq.client.HTTPClient(self.agent).request(method, url, data=data, headers=headers or {})
        content = await response.content()
        found = {name.decode().lower(): values[0].decode() for name, values in response.headers.getAllRawHeaders()}
        if content and found["content-type"] != "application/json":
            return Reply(response.code, content, found)
        return Reply(response.code, json.loads(content) if content else None, found)

    async def make(self, kind: str, path: str | None = None, **fields: Any) -> dict[str, Any]:
        """A new object, which has to succeed."""
        reply = await self.ask("POST", path or f"{kind}s", {kind: fields})
        assert reply.status == 201, reply
        made: dict[str, Any] = reply.body[kind]
        return made

    async def load_balancer(self, **fields: Any) -> dict[str, Any]:
        """A new load balancer at 192.0.2.10, unless told otherwise."""
        return await self.make("loadbalancer", **{"vip_subnet_id": SUBNET, "vip_address": "192.0.2.10", **fields})

    async def listener(self, load_balancer_id: str, **fields: Any) -> dict[str, Any]:
        """A new HTTP listener on port 80, unless told otherwise."""
        given = {"loadbalancer_id": load_balancer_id, "protocol": "HTTP", "protocol_port": 80, **fields}
        return await self.make("listener", **given)

    async def pool(self, load_balancer_id: str, **fields: Any) -> dict[str, Any]:
        """A new HTTP pool, unless told otherwise."""
        given = {"loadbalancer_id": load_balancer_id, "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", **fields}
        return await self.make("pool", **given)

    async def apply(self, load_balancer_id: str) -> None:
        """What a controller does once the amphorae run the newest revision."""
        async with self.database.transaction() as tx:
            found = await load_balancers.get(tx, load_balancer_id)
            assert found is not None
            await load_balancers.applied(tx, load_balancer_id, found.revision)

    async def shown(self, path: str) -> dict[str, Any]:
        """One object, which has to be there."""
        reply = await self.ask("GET", path)
        assert reply.status == 200, reply
        (found,) = reply.body.values()
        return found  # type: ignore[no-any-return]


def new_id() -> str:
    """An id that nothing has."""
    return str(uuid4())
