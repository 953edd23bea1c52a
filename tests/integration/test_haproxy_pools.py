"""What each field of a pool and of its members does to clients of haproxy itself."""

from __future__ import annotations

from collections import Counter
from typing import Any

from attrs import evolve

from octavia_tx.model.resources import SessionPersistence
from octavia_tx.model.tree import Tree
from tests.integration.haproxy_process import free_port
from tests.integration.traffic import VIP, Connection, RawServer, TrafficCase

CLIENTS = tuple(f"127.0.0.{last}" for last in range(10, 22))


class AlgorithmTests(TrafficCase):
    """Which member is chosen for HTTP."""

    async def test_round_robin_gives_each_member_its_share_by_weight(self) -> None:
        shown = self.with_members(self.tree(), {"weight": 4}, {"weight": 2}, {"weight": 1})
        await self.running(shown)
        self.assertEqual(Counter(await self.names(14)), {"first": 8, "second": 4, "third": 2})

    async def test_least_connections_passes_over_a_member_that_is_busy(self) -> None:
        for server in self.members:
            server.silent.add("/long")
        await self.running(self.tree(pool_fields={"lb_algorithm": "LEAST_CONNECTIONS"}))
        client = await self.connect()
        client.send(b"GET /long HTTP/1.1\r\nHost: a\r\n\r\n")
        await self.until_true(lambda: any(server.asked for server in self.members))
        busy = next(server.name for server in self.members if server.asked)
        self.assertEqual(set(await self.names(9)), {"first", "second", "third"} - {busy})

    async def test_source_ip_keeps_each_client_and_spreads_clients(self) -> None:
        await self.running(self.tree(pool_fields={"lb_algorithm": "SOURCE_IP"}))
        found = [await self.names(3, client) for client in CLIENTS]
        self.assertEqual([len(set(names)) for names in found], [1] * len(CLIENTS))
        self.assertEqual({name for names in found for name in names}, {"first", "second", "third"})


class PersistenceTests(TrafficCase):
    """What ties a client to a member that takes turns otherwise."""

    async def tied(self, type: str, cookie_name: str | None = None, **members: Any) -> Tree:
        kept = SessionPersistence(type=type, cookie_name=cookie_name)
        shown = self.with_members(self.tree(pool_fields={"session_persistence": kept}), members)
        await self.running(shown)
        return shown

    async def asked(self, count: int, *headers: str) -> set[bytes]:
        return {(await self.get("/", *headers)).body for _ in range(count)}

    async def test_by_the_clients_address(self) -> None:
        await self.tied("SOURCE_IP")
        found = [await self.names(4, client) for client in CLIENTS[:3]]
        self.assertEqual([len(set(names)) for names in found], [1, 1, 1])
        self.assertEqual({names[0] for names in found}, {"first", "second", "third"})

    async def test_by_a_cookie_of_ours(self) -> None:
        shown = await self.tied("HTTP_COOKIE")
        answer = await self.get()
        cookie, _, attributes = answer.headers[b"set-cookie"].decode().partition(";")
        self.assertIn(cookie, [f"SRV={member.id}" for member in shown.members])
        self.assertEqual(attributes.strip(), "path=/")
        self.assertEqual(await self.asked(4, f"Cookie: a=b; {cookie}"), {answer.body})
        self.assertEqual(len(await self.asked(3)), 3)
        self.assertTrue(all("SRV" not in (sent.getRawHeaders("cookie") or [""])[0] for sent in self.members[0].headers))

    async def test_by_a_cookie_of_the_application(self) -> None:
        for server in self.members:
            server.cookies = [f"SESSION=of-{server.name}; path=/", f"OTHER=o-{server.name}"]
        await self.tied("APP_COOKIE", "SESSION")
        first = await self.get()
        name = first.body.decode()
        self.assertEqual(await self.asked(4, f"Cookie: SESSION=of-{name}"), {first.body})
        self.assertEqual(len(await self.asked(3, f"Cookie: OTHER=o-{name}")), 3)

    async def test_long_cookies_of_the_application_differ_in_their_last_characters(self) -> None:
        start = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." * 30
        for server in self.members:
            server.cookies = [f"SESSION={start}{server.name}"]
        await self.tied("APP_COOKIE", "SESSION")
        await self.asked(3)
        for server in self.members:
            self.assertEqual(await self.asked(4, f"Cookie: SESSION={start}{server.name}"), {server.name.encode()})
        for other in ("OTHER=a", f"SESSION={start}", f"SESSION={start[:64]}"):
            self.assertEqual(len(await self.asked(3, f"Cookie: {other}")), 3, other)

    async def test_by_a_cookie_of_any_name(self) -> None:
        for name in ("it's", "a#b", "100%", "a|b", "`x`", "!", "-i", "a.b"):
            self.another()
            for server in self.members:
                server.cookies = [f"{name}=of-{server.name}"]
            await self.tied("APP_COOKIE", name)
            first = (await self.get()).body
            self.assertEqual(await self.asked(3, f"Cookie: {name}=of-{first.decode()}"), {first}, name)

    async def test_a_member_without_weight_keeps_whom_it_has_and_gets_nobody_new(self) -> None:
        shown = await self.tied("HTTP_COOKIE", weight=0)
        self.assertEqual(await self.asked(6), {b"second", b"third"})
        self.assertEqual(await self.asked(3, f"Cookie: SRV={shown.members[0].id}"), {b"first"})

    async def test_a_disabled_member_keeps_nobody(self) -> None:
        shown = await self.tied("HTTP_COOKIE", admin_state_up=False)
        self.assertNotIn(b"first", await self.asked(6, f"Cookie: SRV={shown.members[0].id}"))


class StreamTests(TrafficCase):
    """Pools whose members see connections."""

    server = RawServer
    members: list[Any]

    async def named(self, source: str | None = None, source_port: int = 0) -> str:
        client = await self.connect(source, source_port)
        client.send(b"a")
        name = (await client.heard(5)).decode()
        client.end()
        await client.ended
        return name

    async def test_source_ip_port_keeps_each_port_and_spreads_ports(self) -> None:
        await self.running(self.tree(protocol="TCP", pool_fields={"protocol": "TCP", "lb_algorithm": "SOURCE_IP_PORT"}))
        ports = [free_port(VIP) for _ in range(12)]
        found = [[await self.named(VIP, port) for port in ports] for _ in range(2)]
        self.assertEqual(found[0], found[1])
        self.assertEqual(set(found[0]), {"first", "second", "third"})

    async def test_persistence_ties_connections_by_address(self) -> None:
        kept = SessionPersistence(type="SOURCE_IP")
        await self.running(self.tree(protocol="TCP", pool_fields={"protocol": "TCP", "session_persistence": kept}))
        self.assertEqual(len({await self.named(CLIENTS[0]) for _ in range(4)}), 1)

    async def spoken(self, listened: str, protocol: str, sent: bytes, length: int) -> bytes:
        """What a member is told first."""
        self.another()
        shown = self.tree(protocol=listened, pool_fields={"protocol": protocol})
        await self.running(evolve(shown, members=shown.members[:1]))
        self.members[0].speaks = False
        client = await self.connect("127.0.0.9")
        client.send(sent)
        self.client_port = client.transport.getHost().port
        found: list[Connection] = []

        def seen() -> bool:
            # Not those of the clients that only looked whether haproxy listens.
            found[:] = [each for each in self.members[0].connections if each.is_open and len(each.received) >= length]
            return bool(found)

        await self.until_true(seen)
        return found[0].received

    async def test_proxy_tells_the_member_who_the_client_is(self) -> None:
        for listened, sent in (("TCP", b"payload"), ("HTTPS", b"payload"), ("HTTP", b"GET / HTTP/1.0\r\n\r\n")):
            said = await self.spoken(listened, "PROXY", sent, 50)
            line, _, rest = said.partition(b"\r\n")
            self.assertEqual(line, f"PROXY TCP4 127.0.0.9 127.0.0.1 {self.client_port} {self.port}".encode())
            self.assertTrue(rest.startswith(sent[:5]), rest)
            await self._leave()

    async def test_proxyv2_tells_it_in_binary(self) -> None:
        for listened, sent in (("TCP", b"payload"), ("HTTPS", b"payload"), ("HTTP", b"GET / HTTP/1.0\r\n\r\n")):
            said = await self.spoken(listened, "PROXYV2", sent, 35)
            addresses = bytes((127, 0, 0, 9, 127, 0, 0, 1))
            ports = self.client_port.to_bytes(2, "big") + self.port.to_bytes(2, "big")
            start = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + addresses + ports
            self.assertTrue(said.startswith(start + sent[:5]), said)
            await self._leave()

    async def test_pools_of_http_https_and_tcp_tell_the_member_nothing_of_their_own(self) -> None:
        for listened, protocol in (("TCP", "TCP"), ("TCP", "HTTP"), ("TCP", "HTTPS"), ("HTTPS", "HTTPS")):
            self.assertEqual(await self.spoken(listened, protocol, b"payload", 7), b"payload")
            await self._leave()
        said = await self.spoken("HTTP", "HTTP", b"GET /a HTTP/1.1\r\nHost: b\r\n\r\n", 17)
        self.assertTrue(said.startswith(b"GET /a HTTP/1.1\r\n"), said)

    async def _leave(self) -> None:
        for each in self.members[0].connections:
            await self._ended(each)

    async def test_members_are_found_at_their_address_and_port(self) -> None:
        shown = self.tree(protocol="TCP", pool_fields={"protocol": "TCP"})
        shown = self.with_members(shown, {"address": "127.0.0.2"}, {}, {"protocol_port": free_port("127.0.0.3")})
        await self.running(shown)
        self.assertEqual({await self.named() for _ in range(6)}, {"second"})
