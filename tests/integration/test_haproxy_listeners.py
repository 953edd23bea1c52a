"""What each field of a listener, and of its load balancer, does to clients of haproxy itself."""

from __future__ import annotations

import socket
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as Late
from twisted.internet.endpoints import SSL4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError
from twisted.internet.ssl import CertificateOptions

from octavia_tx.model.resources import AdditionalVip
from octavia_tx.model.tree import Tree
from tests.amphora_driver.gallery import listener, pool
from tests.integration.haproxy_process import MemberServer, ask, free_port, listens
from tests.integration.traffic import VIP, Connection, RawServer, TrafficCase, certificate

SOON = 2.0  # seconds; a default time-out is longer
TCP = {"protocol": "TCP", "pool_fields": {"protocol": "TCP"}}


class HttpTests(TrafficCase):
    """Listeners of HTTP and PROMETHEUS."""

    async def test_http_sends_each_request_of_a_connection_to_another_member(self) -> None:
        await self.running(self.tree())
        client = await self.connect()
        for number in (1, 2, 3):
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            await self.until_true(lambda number=number: client.received.count(b"HTTP/1.1 200") == number)
        self.assertEqual([len(server.asked) for server in self.members], [1, 1, 1])

    async def test_prometheus_serves_what_haproxy_counts_and_nothing_else(self) -> None:
        shown = self.tree()
        scraped = listener(2, protocol="PROMETHEUS", protocol_port=free_port(VIP), default_pool_id=None)
        await self.running(evolve(shown, listeners=(*shown.listeners, scraped)))
        await self.answers(3)
        self.port = scraped.protocol_port
        answer = await self.get("/metrics")
        self.assertEqual(answer.status, 200)
        answered = f'haproxy_frontend_http_responses_total{{proxy="{shown.listeners[0].id}",code="2xx"}} 3'
        self.assertIn(answered, answer.body.decode().splitlines())
        self.assertEqual((await self.get("/")).status, 404)

    async def test_headers_are_inserted_for_members_as_asked(self) -> None:
        every = ("X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Proto")
        for wanted, found in (
            (dict.fromkeys(every, "true"), ["127.0.0.9", "{port}", "http"]),
            ({"X-Forwarded-For": "true", "X-Forwarded-Port": "false"}, ["127.0.0.9", None, None]),
            ({"X-Forwarded-Proto": "True"}, [None, None, "http"]),
            ({}, [None, None, None]),
        ):
            self.another()
            await self.running(evolve(self.tree(insert_headers=wanted), members=self.tree().members[:1]))
            await ask(VIP, self.port, "127.0.0.9")
            sent = self.members[0].headers[-1]
            expected = [name and name.format(port=self.port) for name in found]
            self.assertEqual([(sent.getRawHeaders(name) or [None])[0] for name in every], expected, wanted)

    async def test_a_member_that_answers_too_late_is_a_504(self) -> None:
        self.members[0].silent.add("/")
        shown = self.tree(timeout_member_data=100)
        await self.running(evolve(shown, members=shown.members[:1]))
        began = reactor.seconds()
        self.assertEqual((await self.get()).status, 504)
        self.assertLess(reactor.seconds() - began, SOON)

    async def test_a_member_that_can_not_be_reached_in_time_is_a_503(self) -> None:
        shown = self.with_members(self.tree(timeout_member_connect=100), {"protocol_port": self._full()})
        await self.running(evolve(shown, members=shown.members[:1]))
        began = reactor.seconds()
        self.assertEqual((await self.get()).status, 503)
        self.assertLess(reactor.seconds() - began, SOON)

    def _full(self) -> int:
        """A port where connections are neither accepted nor refused."""
        listening = socket.socket()
        self.addCleanup(listening.close)
        listening.bind((VIP, 0))
        listening.listen(0)
        for _ in range(3):
            client = socket.socket()
            self.addCleanup(client.close)
            client.setblocking(False)
            client.connect_ex(listening.getsockname())
        return int(listening.getsockname()[1])


class StreamTests(TrafficCase):
    """Listeners of TCP and HTTPS, and what all have in common."""

    server = RawServer
    members: list[Any]

    async def test_tcp_passes_any_bytes_on_in_both_directions(self) -> None:
        await self.running(self.tree(**TCP))
        client = await self.connect()
        client.send(b"\x00\xff nothing known\n")
        name = (await client.heard(5)).decode()
        named = next(server for server in self.members if server.name == name)
        self.assertEqual(named.connections[-1].received, b"\x00\xff nothing known\n")

    async def test_https_passes_tls_on_to_the_member(self) -> None:
        web = await MemberServer("web").start(self, tls=certificate("web"))
        shown = self.with_members(
            self.tree(protocol="HTTPS", pool_fields={"protocol": "HTTPS"}), {"protocol_port": web.port}
        )
        await self.running(evolve(shown, members=shown.members[:1]))
        endpoint = SSL4ClientEndpoint(reactor, VIP, self.port, CertificateOptions(verify=False))
        client = await connectProtocol(endpoint, Connection())
        self.addCleanup(self._ended, client)
        client.send(b"GET / HTTP/1.0\r\n\r\n")
        self.assertIn(b"200 OK", await client.heard(20))
        self.assertEqual(client.transport.getPeerCertificate().get_subject().CN, "web")

    async def test_a_client_that_says_nothing_for_too_long_is_left(self) -> None:
        await self.running(self.tree(**TCP, timeout_client_data=100))
        client = await self.connect()
        client.send(b"a")
        await client.heard()
        await client.ended.addTimeout(SOON, reactor)

    async def test_a_member_is_asked_for_when_the_client_spoke_or_the_time_to_inspect_is_over(self) -> None:
        for wait, silent in ((60_000, True), (100, False)):
            self.another()
            await self.running(self.tree(**TCP, timeout_tcp_inspect=wait))
            await self.until_true(self._at_rest)
            client = await self.connect()
            if silent:
                await self.assertFailure(self._connected(0.3), Late)
                client.send(b"a")
            await self._connected(SOON)
            client.end()

    def _at_rest(self) -> bool:
        self.before = sum(len(server.connections) for server in self.members)
        return not any(each.is_open for server in self.members for each in server.connections)

    def _connected(self, patience: float) -> Deferred[None]:
        async def seen() -> None:
            await self.until_true(lambda: sum(len(server.connections) for server in self.members) > self.before)

        return Deferred.fromCoroutine(seen()).addTimeout(patience, reactor)

    async def test_no_more_connections_than_the_limit_are_served_at_once(self) -> None:
        await self.running(self.tree(**TCP, connection_limit=2))
        first, second, third = [await self.connect() for _ in range(3)]
        for client in (first, second, third):
            client.send(b"a")
        await first.heard()
        await second.heard()
        await self.assertFailure(third.heard(patience=0.3), Late)
        first.end()
        await third.heard()

    async def test_all_front_ends_serve_the_port_whatever_their_ip_version(self) -> None:
        shown = self.tree(**TCP)
        further = (AdditionalVip(ip_address="127.0.0.2"), AdditionalVip(ip_address="::1"))
        await self.running(evolve(shown, load_balancer=evolve(shown.load_balancer, additional_vips=further)))
        for address in (VIP, "127.0.0.2", "::1"):
            client = await self.connect(address=address)
            client.send(b"a")
            await client.heard()
        self.assertFalse(await listens("127.0.0.3", self.port))

    async def test_an_ipv6_front_end_serves_with_ipv4_and_ipv6_members(self) -> None:
        web = [await MemberServer(name).start(self, address) for name, address in (("four", VIP), ("six", "::1"))]
        shown = self.tree()
        changes = [{"address": a, "protocol_port": s.port} for a, s in zip((VIP, "::1"), web, strict=True)]
        shown = self.with_members(shown, *changes)
        shown = evolve(shown, load_balancer=evolve(shown.load_balancer, vip_address="::1"), members=shown.members[:2])
        haproxy = self.started(shown)
        await haproxy.serves("::1", self.port)
        self.assertEqual({(await self.get(address="::1")).body for _ in range(2)}, {b"four", b"six"})
        self.assertFalse(await listens(VIP, self.port))

    async def test_allowed_networks_of_either_ip_version_get_in_and_others_do_not(self) -> None:
        for allowed, inside in (
            (("::1/128", "127.0.1.0/24"), {"127.0.1.1", "::1"}),
            (("2001:db8::/32", "127.0.0.0/30", "127.0.1.1/32"), {VIP, "127.0.1.1"}),
            ((), {VIP, "127.0.1.1", "127.0.2.1", "::1"}),
        ):
            self.another()
            shown = self.tree(**TCP, allowed_cidrs=allowed)
            further = (AdditionalVip(ip_address="::1"),)
            shown = evolve(shown, load_balancer=evolve(shown.load_balancer, additional_vips=further))
            await self.started(shown).serves(VIP, self.port)
            served = {source for source in (VIP, "127.0.1.1", "127.0.2.1", "::1") if await self._served(source)}
            self.assertEqual(served, inside, allowed)

    async def _served(self, source: str) -> bool:
        address = "::1" if ":" in source else VIP
        try:
            client = await self.connect(source, address=address)
        except ConnectError:
            return False
        client.send(b"a")
        heard = client.heard()
        client.ended.addCallback(lambda _: heard.called or heard.errback(ConnectError()))
        try:
            await heard
        except ConnectError:
            return False
        return True


class StateTests(TrafficCase):
    """Where a listener listens, if at all, and whom it serves with."""

    async def test_a_disabled_listener_listens_nowhere_while_others_do(self) -> None:
        shown = self.tree()
        other = listener(2, protocol_port=free_port(VIP), default_pool_id=None)
        await self.running(evolve(shown, listeners=(*shown.listeners, evolve(other, admin_state_up=False))))
        self.assertFalse(await listens(VIP, other.protocol_port))

    async def test_a_listener_listens_at_its_port(self) -> None:
        others = [listener(n, protocol_port=free_port(VIP), default_pool_id=None) for n in (2, 3)]
        shown = self.tree()
        await self.running(evolve(shown, listeners=(*shown.listeners, *others)))
        self.assertEqual([await listens(VIP, each.protocol_port) for each in others], [True, True])

    async def test_a_listeners_default_pool_is_the_one_it_names(self) -> None:
        shown = self.tree()
        named = pool(2)
        moved = evolve(shown.members[1], pool_id=named.id)
        front = evolve(shown.listeners[0], default_pool_id=named.id)
        await self.running(self._of(shown, front, pools=(*shown.pools, named), members=(shown.members[0], moved)))
        self.assertEqual(await self.names(3), ["second"] * 3)

    def _of(self, shown: Tree, front: Any, **parts: Any) -> Tree:
        return evolve(shown, listeners=(front,), **parts)
