"""The API's HTTP: paths, methods, odd bytes, clients that hang up, and a database that doesn't answer."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.logger import LogLevel, globalLogPublisher
from twisted.python.failure import Failure
from zope.interface import implementer

from octavia_tx.api.call import LARGEST_BODY, Answer, Call
from octavia_tx.api.policy import PUBLIC
from octavia_tx.api.resource import Route, Served
from octavia_tx.cloud.noauth import NoAuth
from octavia_tx.cloud.noop import NoopNetwork
from octavia_tx.db import load_balancers
from octavia_tx.interfaces import IIdentity
from octavia_tx.model.caller import Caller, Presented
from tests.integration.api import SUBNET, ApiCase, new_id


class Raw(Protocol):
    """A connection that keeps all that it hears until the other side closes it."""

    def __init__(self) -> None:
        self.heard = b""
        self.closed: Deferred[bytes] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed.callback(self.heard)


async def _break(call: Call) -> Answer:
    raise asyncio.CancelledError


class HttpTests(ApiCase):
    """What stands before the resources."""

    further = (Served("/broken", Route("GET", "broken", _break), PUBLIC),)

    async def raw(self, request: bytes) -> tuple[int, bytes]:
        """Say these bytes; the status and all that came back."""
        protocol = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port), Raw())
        assert protocol.transport is not None
        protocol.transport.write(request)
        heard = await protocol.closed
        return int(heard.split(b" ", 2)[1]), heard

    async def test_whatever_breaks_is_told_as_a_fault(self) -> None:
        reply = await self.ask("GET", "/broken")
        self.assertEqual((reply.status, reply.body["faultcode"]), (500, "Server"))
        self.assertEqual(len(self.flushLoggedErrors(asyncio.CancelledError)), 1)

    async def test_clients_learn_the_versions(self) -> None:
        reply = await self.ask("GET", "/")
        versions = reply.body["versions"]
        self.assertEqual([v["id"] for v in versions], [f"v2.{n}" for n in range(31)])
        self.assertEqual({v["status"] for v in versions[:-1]}, {"SUPPORTED"})
        self.assertEqual(
            versions[-1],
            {
                "id": "v2.30",
                "status": "CURRENT",
                "updated": "2025-02-26T00:00:00Z",
                "links": [{"rel": "self", "href": f"{self.base}/v2"}],
            },
        )
        for path in ("/v2", "/v2/", "/v2.0", "/v2/lbaas", "/v2.0/lbaas/"):
            self.assertEqual((await self.ask("GET", path)).status, 200, path)

    async def test_providers_are_listed(self) -> None:
        reply = await self.ask("GET", "providers")
        self.assertEqual([p["name"] for p in reply.body["providers"]], ["amphora", "octavia"])
        self.assertEqual((await self.ask("GET", "providers?fields=name")).body["providers"][0], {"name": "amphora"})
        reply = await self.ask("GET", "providers?name=octavia&fields=name")
        self.assertEqual(reply.body["providers"], [{"name": "octavia"}])

    async def test_every_answer_has_an_id_of_its_own(self) -> None:
        seen = set()
        for path in ("loadbalancers", "loadbalancers/x", "/nowhere", "loadbalancers"):
            seen.add((await self.ask("GET", path)).headers["x-openstack-request-id"])
        self.assertEqual(len(seen), 4)
        for each in seen:
            self.assertRegex(each, r"\Areq-[0-9a-f-]{36}\Z")

    async def test_what_is_about_no_path_has_an_id_too(self) -> None:
        for method, expected in ((b"OPTIONS", 200), (b"GET", 405)):
            status, heard = await self.raw(method + b" * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertEqual(status, expected)
            self.assertIn(b"x-openstack-request-id: req-", heard.lower())

    async def test_an_unknown_path_is_told(self) -> None:
        for path in ("/nowhere", "/v2/lbaas/nothing", "/v3/lbaas/pools", "pools/a/b/c", "pools//", "/v2/lbaas//pools"):
            reply = await self.ask("GET", path)
            self.assertEqual((reply.status, reply.body.keys()), (404, {"code", "title", "description"}), path)

    async def test_a_wrong_method_is_told_with_the_right_ones(self) -> None:
        for method, path, allowed in (
            ("PATCH", "pools", "GET, HEAD, POST"),
            ("POST", f"pools/{new_id()}", "DELETE, GET, HEAD, PUT"),
            ("DELETE", "providers", "GET, HEAD"),
            ("BREW", "pools/", "GET, HEAD, POST"),
        ):
            reply = await self.ask(method, path)
            self.assertEqual((reply.status, reply.headers["allow"]), (405, allowed))
            self.assertEqual(reply.body["code"], 405)

    async def test_head_is_get_without_a_body(self) -> None:
        status, heard = await self.raw(b"HEAD /v2/lbaas/pools HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.assertEqual(status, 200)
        self.assertIn(b"content-length: 29", heard.lower())
        self.assertTrue(heard.endswith(b"\r\n\r\n"))

    async def test_a_body_is_json_whatever_it_is_called(self) -> None:
        head = b"POST /v2/lbaas/pools HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 8\r\n"
        for kind in (b"multipart/form-data", b"multipart/form-data; boundary=x", b"application/x-www-form-urlencoded"):
            status, heard = await self.raw(head + b"Content-Type: " + kind + b"\r\n\r\n--x\r\nju\n")
            self.assertEqual(status, 400)
            self.assertIn(b"faultstring", heard, kind)

    async def test_a_target_may_be_a_whole_url(self) -> None:
        for target in (b"http://a/v2/lbaas/pools", b"HTTP://b:80/v2/lbaas/pools?name=x"):
            status, heard = await self.raw(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            self.assertEqual(status, 200, heard)

    async def test_ids_that_are_none_are_not_found(self) -> None:
        for identifier in ("x", "1", "%27%3B", "a" * 5000, "%00", new_id() + "x", "%E2%98%83"):
            for path in (f"loadbalancers/{identifier}", f"pools/{identifier}/members", f"listeners/{identifier}/stats"):
                reply = await self.ask("GET", path)
                self.assertEqual(reply.status, 404)
                self.assertIn("not found", reply.sentence)
                self.assertTrue(len(reply.sentence) < 200)
            self.assertEqual((await self.ask("DELETE", f"pools/{identifier}")).status, 404)

    async def test_ids_have_several_spellings(self) -> None:
        made = await self.load_balancer()
        for spelled in (made["id"].upper(), made["id"].replace("-", "")):
            self.assertEqual((await self.shown(f"loadbalancers/{spelled}"))["id"], made["id"])

    async def test_odd_bytes_before_the_body_are_the_clients_fault(self) -> None:
        end = b"Connection: close\r\n\r\n"
        for head in (
            b"GET /%ff HTTP/1.1\r\nHost: a\r\n",
            b"GET /v2/lbaas/pools/%ff%fe HTTP/1.1\r\nHost: a\r\n",
            b"GET /v2/lbaas/pools HTTP/1.1\r\nHost: a..b\r\n",
            b"GET /v2/lbaas/pools HTTP/1.1\r\nHost: \xff\xfe\r\n",
            b"GET /v2/lbaas/pools HTTP/1.1\r\nHost: " + b"a" * 70 + b"\r\n",
            b"GET /v2/lbaas/pools?a=\xff HTTP/1.1\r\nHost: a\r\n",
            b"GET /v2/lbaas/pools?name=%00&x HTTP/1.1\r\nHost: a\r\n",
            b"GET /v2/lbaas/pools?project_id=%00 HTTP/1.1\r\nHost: a\r\n",
            b"GET /v2/lbaas/pools HTTP/1.1\r\nHost: a\r\nX-Project-Id: \xff\r\n",
            b"G\xffT /v2/lbaas/pools HTTP/1.1\r\nHost: a\r\n",
        ):
            status, _ = await self.raw(head + end)
            self.assertIn(status, (400, 404, 405), head)
        self.assertEqual((await self.raw(b"GET / HTTP/1.1\r\n" + end))[0], 200)

    async def test_a_body_is_read_whatever_its_type_claims(self) -> None:
        body = {"loadbalancer": {"vip_subnet_id": SUBNET}}
        for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8"):
            reply = await self.ask("POST", "loadbalancers", body, {"Content-Type": kind})
            self.assertEqual(reply.status, 201, kind)

    async def test_a_body_that_is_too_large_is_refused(self) -> None:
        huge = b'{"loadbalancer": "' + b"x" * LARGEST_BODY + b'"}'
        reply = await self.ask("POST", "loadbalancers", raw=huge)
        self.assertEqual(reply.status, 413)
        self.assertIn(str(LARGEST_BODY), reply.sentence)
        chunk = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
        head = b"POST /v2/lbaas/pools HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        status, _ = await self.raw(head + chunk * (LARGEST_BODY // 65536 + 2) + b"0\r\n\r\n")
        self.assertEqual(status, 413)

    async def test_a_change_is_logged_with_its_request_and_object(self) -> None:
        events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        reply = await self.ask("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET}})
        (event,) = [e for e in events if e.get("request_id") == reply.headers["x-openstack-request-id"]]
        self.assertEqual((event["status"], event["ids"]), (201, (reply.body["loadbalancer"]["id"],)))


class ConcurrencyTests(ApiCase):
    """Several clients at once."""

    async def test_of_two_equal_members_one_is_a_conflict(self) -> None:
        balancer = await self.load_balancer()
        pool = await self.pool(balancer["id"])
        path = f"pools/{pool['id']}/members"
        member = {"member": {"address": "192.0.2.20", "protocol_port": 80}}
        asked = [Deferred.fromCoroutine(self.ask("POST", path, member)) for _ in range(4)]
        replies = [reply for _, reply in await DeferredList(asked, fireOnOneErrback=True)]
        self.assertEqual(sorted(r.status for r in replies), [201, 409, 409, 409])
        self.assertEqual(len((await self.ask("GET", path)).body["members"]), 1)

    async def test_many_changes_at_once_are_all_kept(self) -> None:
        balancer = await self.load_balancer()
        pool = await self.pool(balancer["id"])
        path = f"pools/{pool['id']}/members"
        asked = [
            Deferred.fromCoroutine(self.make("member", path, address=f"192.0.2.{n}", protocol_port=80))
            for n in range(20, 50)
        ]
        await DeferredList(asked, fireOnOneErrback=True)
        self.assertEqual(len((await self.ask("GET", path)).body["members"]), 30)
        async with self.database.transaction() as tx:
            found = await load_balancers.get(tx, balancer["id"])
        assert found is not None
        self.assertEqual(found.revision, 32)

    async def test_changes_of_different_fields_at_once_are_both_kept_at_their_own_revisions(self) -> None:
        balancer = await self.load_balancer()
        pool = await self.pool(balancer["id"])
        path = f"pools/{pool['id']}"
        fields: dict[str, Any] = {"name": "n", "description": "d", "tags": ["t"], "admin_state_up": False}
        asked = [
            Deferred.fromCoroutine(self.ask("PUT", path, {"pool": {name: value}})) for name, value in fields.items()
        ]
        await DeferredList(asked, fireOnOneErrback=True)
        shown = await self.shown(path)
        self.assertEqual({name: shown[name] for name in fields}, fields)
        async with self.database.transaction(read_only=True) as tx:
            tree = await load_balancers.tree(tx, balancer["id"])
        assert tree is not None
        self.assertEqual((tree.load_balancer.revision, tree.pools[0].revision), (6, 6))

    async def test_of_a_deletion_and_a_new_child_both_are_answered(self) -> None:
        balancer = await self.load_balancer()
        listener = {"listener": {"loadbalancer_id": balancer["id"], "protocol": "TCP", "protocol_port": 1}}
        asked = [
            Deferred.fromCoroutine(self.ask("DELETE", f"loadbalancers/{balancer['id']}")),
            Deferred.fromCoroutine(self.ask("POST", "listeners", listener)),
            Deferred.fromCoroutine(self.ask("DELETE", f"loadbalancers/{balancer['id']}")),
        ]
        replies = [reply for _, reply in await DeferredList(asked, fireOnOneErrback=True)]
        self.assertIn(tuple(r.status for r in replies), {(204, 409, 204), (204, 409, 204), (400, 201, 400)})


@implementer(IIdentity)
class SlowIdentity:
    """Takes longer than a client that hangs up."""

    challenge = None

    async def caller(self, presented: Presented) -> Caller:
        await deferLater(reactor, 0.02)
        return await NoAuth().caller(presented)


class HangingUpTests(ApiCase):
    """Clients that don't wait for the answer."""

    identity = SlowIdentity()
    network = NoopNetwork()

    async def test_the_work_goes_on_to_its_end_and_nothing_is_logged_as_failed(self) -> None:
        failures: list[dict[str, Any]] = []

        def watch(event: dict[str, Any]) -> None:
            if event.get("log_level", LogLevel.debug) >= LogLevel.warn:
                failures.append(event)

        globalLogPublisher.addObserver(watch)
        self.addCleanup(globalLogPublisher.removeObserver, watch)
        count = 12
        for number in range(count):
            body = json.dumps({"loadbalancer": {"vip_subnet_id": SUBNET, "name": str(number)}}).encode()
            raw = await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.port.getHost().port), Raw())
            assert raw.transport is not None
            head = b"POST /v2/lbaas/loadbalancers HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % len(body)
            raw.transport.write(head + body)
            raw.transport.loseConnection()
            await raw.closed
        await deferLater(reactor, 0.1)
        await self.api.drain()
        made = (await self.ask("GET", "loadbalancers")).body["loadbalancers"]
        self.assertEqual({lb["name"] for lb in made}, {str(n) for n in range(count)})
        self.assertEqual(failures, [])


class DatabaseTests(ApiCase):
    """A database that doesn't answer."""

    deadline = 0.5

    async def test_without_it_the_answer_is_503_and_later_all_is_well_again(self) -> None:
        made = await self.load_balancer()
        self.server.signal(signal.SIGSTOP)
        try:
            for method, path, body in (
                ("GET", "loadbalancers", None),
                ("PUT", f"loadbalancers/{made['id']}", {"loadbalancer": {"name": "x"}}),
                ("DELETE", f"loadbalancers/{made['id']}", None),
            ):
                reply = await self.ask(method, path, body)
                self.assertEqual(reply.status, 503)
                self.assertEqual(reply.body["faultcode"], "Server")
                self.assertIn("database", reply.sentence)
                self.assertNotIn("octavia-tx", reply.sentence)
        finally:
            self.server.signal(signal.SIGCONT)
        while (await self.ask("GET", f"loadbalancers/{made['id']}")).status == 503:
            await deferLater(reactor, 0.2)
        self.assertEqual((await self.shown(f"loadbalancers/{made['id']}"))["name"], "")

    async def test_what_needs_no_database_is_answered_without_it(self) -> None:
        self.server.signal(signal.SIGSTOP)
        try:
            self.assertEqual((await self.ask("GET", "/")).status, 200)
            self.assertEqual((await self.ask("POST", "pools", {"pool": {}})).status, 400)
        finally:
            self.server.signal(signal.SIGCONT)
