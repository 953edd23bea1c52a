"""Several load balancers on one amphora: one agent, a haproxy for each, driven as a controller does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.server import Site
from twisted.web.static import Data

from octavia_tx.amphora_driver.haproxy import HaproxyDriver
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.amphora_driver.tls import files
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.resources import HealthMonitor, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.tree import Tree
from octavia_tx.wire import envelope, heartbeat
from octavia_tx.wire.heartbeat import MemberReport
from octavia_tx.wire.tls import MutualTLS, Peer, Role
from tests.amphora_driver.secrets import bundle, certificate
from tests.integration.agent_process import AMPHORA, KEY, AgentCase, free_address, parent, real
from tests.integration.haproxy_process import ask, free_port
from tests.integration.tls_peers import Client

_CREATED_AT = datetime(2030, 1, 1, tzinfo=UTC)
_OWN: dict[str, Any] = {"project_id": "a-project", "created_at": _CREATED_AT}
SECRETS = Secrets(bundles={"reference": bundle(certificate("shown.example.com"))})


class _Anywhere(Data):
    """The same at each path."""

    isLeaf = True


class ColocationCase(AgentCase):
    """@cvar count: of load balancers; each fourth speaks TLS too."""

    count = 8

    async def begin(self) -> None:
        """Start an agent, and make all trees; nothing of them is applied."""
        await self.start()
        self.amphora = Amphora(id=AMPHORA, lb_network_ip=self.host, created_at=_CREATED_AT)
        self.driver = HaproxyDriver(real, self.credential, Renderer(), self.port)
        self.addCleanup(lambda: Deferred.fromCoroutine(self.driver.close()))
        self.trees = [self.tree(number) for number in range(self.count)]

    def tree(self, number: int) -> Tree:
        """Two listeners or three, at an address of their own."""
        host, first = free_address()
        second, third = free_port(host), free_port(host)
        identifier = str(uuid4())
        child = {**_OWN, "load_balancer_id": identifier}
        pool = Pool(id=str(uuid4()), protocol="HTTP", lb_algorithm="ROUND_ROBIN", **child)
        kinds: list[dict[str, Any]] = [{"protocol_port": first}, {"protocol_port": second, "connection_limit": 50}]
        if number % 4 == 0:
            shown = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "reference"}
            kinds.append({"protocol_port": third, **shown})
        listeners = (
            Listener(**{"id": str(uuid4()), "default_pool_id": pool.id, "protocol": "HTTP", **child, **kind})
            for kind in kinds
        )
        monitor = {"type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
        return Tree(
            load_balancer=LoadBalancer(id=identifier, vip_address=host, **_OWN),
            listeners=tuple(listeners),
            pools=(pool,),
            members=(self.member_of(pool),),
            health_monitors=(HealthMonitor(id=str(uuid4()), pool_id=pool.id, **monitor, **child),),
        )

    def member_of(self, pool: Pool, address: str = "127.0.0.1") -> Member:
        """One more, which answers at 127.0.0.1 alone."""
        child = {**_OWN, "load_balancer_id": pool.load_balancer_id, "pool_id": pool.id}
        return Member(id=str(uuid4()), address=address, protocol_port=self.member, **child)

    async def apply(self, tree: Tree, fence: int = 1) -> None:
        secrets = SECRETS if len(tree.listeners) > 2 else Secrets()
        await self.driver.apply(self.amphora, tree, fence, secrets)

    async def each_serves(self) -> None:
        """Each listener of each."""
        for tree in self.trees:
            host = tree.load_balancer.vip_address or ""
            for listener in tree.listeners:
                if listener.protocol == "HTTP":
                    self.assertEqual(await ask(host, listener.protocol_port), (200, "member"))
                else:
                    heard = await Client(self).ask(host, listener.protocol_port)
                    self.assertEqual(heard and heard.host, "shown.example.com")

    def masters(self) -> dict[str, int]:
        """The pid of each load balancer's haproxy."""
        found = (self.agent_directory / "load_balancers").glob("*/haproxy.pid")
        return {path.parent.name: int(path.read_text()) for path in found}

    def all_workers(self) -> set[int]:
        """Of all of them."""
        masters = set(self.masters().values())
        return {pid for pid in self.processes() if parent(pid) in masters}

    def up(self) -> set[tuple[str, str]]:
        """Pool and member of all that the newest datagrams say are up: each tells of some."""
        words: dict[tuple[str, str], MemberReport] = {}
        for datagram in self.receiver.datagrams:
            report = heartbeat.decode(envelope.unseal(KEY, datagram)[1])
            words.update({(m.pool_id, m.member_id): m for m in report.members})
        return {key for key, report in words.items() if report.status == "UP"}

    def reported(self) -> set[str]:
        """The load balancers of which datagrams tell."""
        reports = (heartbeat.decode(envelope.unseal(KEY, d)[1]) for d in self.receiver.datagrams)
        return {identifier for report in reports for identifier in report.load_balancers}

    def resident(self) -> float:
        """MiB of the agent."""
        status = Path(f"/proc/{self.agents[-1].pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    async def course(self) -> None:
        """All that becomes of them."""
        for tree in self.trees:
            await self.apply(tree)
        await self.each_serves()
        ids = {tree.load_balancer.id for tree in self.trees}
        details = (await self.call("GET", "/1.0/details")).json
        self.assertEqual(details["haproxy_count"], self.count)
        self.assertEqual(
            len((await self.call("GET", "/1.0/listeners")).json), sum(len(t.listeners) for t in self.trees)
        )
        await self.changed_live()
        await self.until(lambda: self.reported() == ids)
        await self.until(lambda: self.up() == {(t.pools[0].id, t.members[0].id) for t in self.trees})
        self.assertLess(max(map(len, self.receiver.datagrams)), 1500)
        await self.adopted()

    async def changed_live(self) -> None:
        """A member more for each, without a reload; in this all of them differ from one another."""
        workers = self.all_workers()
        self.assertEqual(len(workers), self.count)
        for number, tree in enumerate(self.trees):
            more = self.member_of(tree.pools[0], f"127.0.1.{1 + number}")
            self.trees[number] = evolve(tree, members=(*tree.members, evolve(more, weight=0, admin_state_up=False)))
            await self.apply(self.trees[number], 2)
        self.assertEqual(self.all_workers(), workers)
        await self.each_serves()

    async def adopted(self) -> None:
        """The agent dies, and the next one finds all of them, and changes them still."""
        masters, workers = self.masters(), self.all_workers()
        self.kill(self.agents[-1])
        self.receiver.datagrams.clear()
        await self.restart()
        await self.until(lambda: self.reported() == set(masters))
        self.assertEqual((self.masters(), self.all_workers()), (masters, workers))
        for number, tree in enumerate(self.trees):
            self.trees[number] = evolve(tree, members=tree.members[:1])
            await self.apply(self.trees[number], 3)
        self.assertEqual(self.all_workers(), workers)
        await self.each_serves()

    def controller(self) -> None:
        """One that tells all of them to an agent that asks at its start."""
        told = [
            {
                "id": tree.load_balancer.id,
                "fence": 9,
                "haproxy": Renderer().render(tree, AMPHORA),
                "certificates": {name: pem.decode() for name, pem in files(tree, SECRETS).items()},
            }
            for tree in self.trees
        ]
        body = json.dumps({"load_balancers": told}).encode()
        site = Site(_Anywhere(body, "application/json"))  # type: ignore[no-untyped-call]
        tls = MutualTLS(self.authority.issue(Role.CONTROLLER, "controller"), Peer(role=Role.AMPHORA))
        host, port = free_address()
        listening = real.listenTCP(port, TLSMemoryBIOFactory(tls, False, site), interface=host)
        self.addCleanup(listening.stopListening)
        self.controllers = [f"https://{host}:{port}"]
