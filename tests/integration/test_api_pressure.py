"""Many at once, and clients that go away: nothing is lost, nothing is half there."""

from __future__ import annotations

import json
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import deferLater
from zope.interface import implementer

from octavia_tx.errors import Unauthenticated
from octavia_tx.interfaces import IIdentity
from octavia_tx.model.caller import Caller, Presented
from tests.integration.api import SUBNET, ApiCase, Reply


class ManyTests(ApiCase):
    """Clients that change one load balancer at the same time."""

    timeout = 60

    async def together(self, *asked: Any) -> list[Reply]:
        return await gatherResults([Deferred.fromCoroutine(each) for each in asked])

    async def test_changes_of_one_tree_at_once_are_all_made(self) -> None:
        balancer = await self.load_balancer()
        listener = await self.listener(balancer["id"])
        pool = await self.pool(balancer["id"])
        path, below = f"loadbalancers/{balancer['id']}", f"pools/{pool['id']}/members"
        replies = await self.together(
            *(
                self.ask("POST", below, {"member": {"address": f"192.0.2.{n}", "protocol_port": 80}})
                for n in range(20, 50)
            ),
            *(self.ask("PUT", path, {"loadbalancer": {"description": f"{n}"}}) for n in range(10)),
            *(self.ask("PUT", f"listeners/{listener['id']}", {"listener": {"name": f"{n}"}}) for n in range(10)),
        )
        self.assertEqual({reply.status for reply in replies}, {200, 201})
        self.assertEqual(len((await self.ask("GET", below)).body["members"]), 30)
        (revision,) = self.server.ask("SELECT revision FROM load_balancer", self.database_name)
        self.assertEqual(revision, (1 + 2 + 50,))

    async def test_of_clients_that_saw_the_same_only_one_changes_it(self) -> None:
        balancer = await self.load_balancer()
        path = f"loadbalancers/{balancer['id']}"
        seen = (await self.ask("GET", path)).headers["etag"]
        replies = await self.together(
            *(self.ask("PUT", path, {"loadbalancer": {"name": f"{n}"}}, {"If-Match": seen}) for n in range(10))
        )
        self.assertEqual(sorted(reply.status for reply in replies), [200, *[412] * 9])

    async def test_policies_that_come_at_once_stand_in_one_order(self) -> None:
        listener = await self.listener((await self.load_balancer())["id"])
        policy = {"listener_id": listener["id"], "action": "REJECT", "position": 1}
        replies = await self.together(*(self.ask("POST", "l7policies", {"l7policy": policy}) for _ in range(12)))
        self.assertEqual({reply.status for reply in replies}, {201})
        listed = (await self.ask("GET", "l7policies?sort=position")).body["l7policies"]
        self.assertEqual([p["position"] for p in listed], list(range(1, 13)))
        gone = await self.together(*(self.ask("DELETE", f"l7policies/{p['id']}") for p in listed[::2]))
        self.assertEqual({reply.status for reply in gone}, {204})
        listed = (await self.ask("GET", "l7policies?sort=position")).body["l7policies"]
        left = [p["position"] for p in listed if p["provisioning_status"] != "PENDING_DELETE"]
        self.assertEqual(left, list(range(1, 7)))

    async def test_a_deletion_among_changes_is_the_last_word(self) -> None:
        balancer = await self.load_balancer()
        path = f"loadbalancers/{balancer['id']}"
        replies = await self.together(
            *(self.ask("PUT", path, {"loadbalancer": {"name": f"{n}"}}) for n in range(5)),
            self.ask("DELETE", path),
            *(self.ask("PUT", path, {"loadbalancer": {"name": f"{n}"}}) for n in range(5)),
        )
        self.assertEqual({reply.status for reply in replies} - {200, 204, 409}, set())
        self.assertEqual((await self.shown(path))["provisioning_status"], "PENDING_DELETE")


class GoneTests(ApiCase):
    """Clients that hang up in the middle of a request."""

    async def hang_up(self, data: bytes, after: float) -> None:
        """Send something, and close without a look at what comes back."""
        client = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port)
        connected = await client.connect(Factory.forProtocol(Protocol))
        connected.transport.write(data)
        await deferLater(reactor, after)
        connected.transport.abortConnection()

    async def test_a_tree_is_there_as_a_whole_or_not_at_all(self) -> None:
        pool = {
            "protocol": "HTTP",
            "lb_algorithm": "ROUND_ROBIN",
            "members": [{"address": f"192.0.2.{n}", "protocol_port": 80} for n in range(1, 100)],
        }
        listener = {"protocol": "HTTP", "protocol_port": 80, "default_pool": pool}
        body = json.dumps({"loadbalancer": {"vip_subnet_id": SUBNET, "listeners": [listener]}}).encode()
        head = b"POST /v2/lbaas/loadbalancers HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
        for step in range(30):
            await self.hang_up(head + body, step * 0.002)
        await self.hang_up(head + body[:-5], 0.01)
        await self.api.drain()
        counted = self.server.ask(
            "SELECT (SELECT count(*) FROM load_balancer), (SELECT count(*) FROM listener), "
            "(SELECT count(*) FROM pool), (SELECT count(*) FROM member), (SELECT count(*) FROM convergence)",
            self.database_name,
        )
        ((balancers, listeners, pools, members, due),) = counted
        self.assertGreater(balancers, 0)
        self.assertEqual((listeners, pools, members, due), (balancers, balancers, balancers * 99, balancers))
        self.assertEqual(self.flushLoggedErrors(), [])


@implementer(IIdentity)
class Expiring:
    """Believes a token until the test says that it is over."""

    challenge = None
    over = False

    async def caller(self, presented: Presented) -> Caller:
        if self.over:
            raise Unauthenticated("The token has expired.")
        return Caller(project_id="a", roles=frozenset({"member"}))


class ExpiryTests(ApiCase):
    """A token that is over between two requests of one connection."""

    async def _prepare(self) -> None:
        self.identity = Expiring()
        await super()._prepare()

    async def test_the_next_request_is_refused(self) -> None:
        made = await self.load_balancer()
        self.identity.over = True
        for method, path, body in (
            ("GET", "loadbalancers", None),
            ("PUT", f"loadbalancers/{made['id']}", {"loadbalancer": {"name": "x"}}),
        ):
            self.assertEqual((await self.ask(method, path, body)).status, 401)
        self.identity.over = False
        self.assertEqual((await self.shown(f"loadbalancers/{made['id']}"))["name"], "")
