"""The way from an amphora to the API and back when it is bad, and when nobody is at its end for a while."""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol

from octavia_tx.db.embedded import EmbeddedPostgres
from octavia_tx.demo import processes
from octavia_tx.demo.tenant import Visitor
from octavia_tx.testing.certificates import Material
from tests.integration.agent_process import real
from tests.integration.system import SystemCase
from tests.integration.test_edges import EdgeCase
from tests.integration.tls_peers import Client


class Proxy(DatagramProtocol):
    """
    Stands before a receiver, and loses datagrams of both ways.

    @param lost: whether the next one is.
    """

    def __init__(self, receiver: tuple[str, int], lost: Callable[[], bool]) -> None:
        self._receiver = receiver
        self._lost = lost
        self._ways: dict[Any, Any] = {}
        self.passed = 0

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        if addr not in self._ways:
            self._ways[addr] = real.listenUDP(0, _Back(self, addr), interface="127.0.0.1")
        if not self._lost():
            self.passed += 1
            self._ways[addr].write(datagram, self._receiver)

    def answer(self, datagram: bytes, addr: Any) -> None:
        if not self._lost():
            assert self.transport is not None
            self.transport.write(datagram, addr)

    def stopProtocol(self) -> None:
        for way in self._ways.values():
            way.stopListening()


class _Back(DatagramProtocol):
    def __init__(self, proxy: Proxy, addr: Any) -> None:
        self._proxy = proxy
        self._addr = addr

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self._proxy.answer(datagram, self._addr)


class Losses(EdgeCase):
    """Two ways to the receiver, one of IPv6; each loses as many datagrams as it lets pass."""

    def setUp(self) -> None:
        super().setUp()
        chance = Random(7)
        ways = []
        self.proxies = []
        for host in ("127.0.0.1", "::1"):
            proxy = Proxy(("127.0.0.1", self.system.ports["health"]), lambda: chance.random() < 0.5)
            port = real.listenUDP(0, proxy, interface=host)
            self.addCleanup(port.stopListening)
            self.proxies.append(proxy)
            ways.append(f"[{host}]:{port.getHost().port}" if ":" in host else f"{host}:{port.getHost().port}")
        self.system.settings = {"OCTAVIA_TX_HEALTH__INTERVAL": "60", "OCTAVIA_TX_HEALTH__RECEIVERS": ",".join(ways)}

    async def test_each_change_arrives_though_half_of_all_datagrams_are_lost(self) -> None:
        await self.begin()
        for _ in range(5):
            for command, status in (("disable", "OFFLINE"), ("enable", "ONLINE")):
                self.tell(f"{command} server {self.server}")
                self.assertLess(await self.until_shown(self.member, status), 10)
        self.assertTrue(all(proxy.passed for proxy in self.proxies))


class Absence(SystemCase):
    """Controller and database are away; when they are back, no way leads to the agent's own port."""

    settings = {"OCTAVIA_TX_CONTROLLER__LEASE": "1"}

    async def certificate(self, host: str) -> str:
        """Stored in the key manager."""
        payload = b64encode(Material.new(host).pkcs12).decode()
        described = {"payload_content_type": "application/octet-stream", "payload_content_encoding": "base64"}
        response = await self.tenant._http.post(
            f"{self.tenant.endpoint}/key-manager/v1/secrets", json={"name": host, "payload": payload, **described}
        )
        self.assertEqual(response.code, 201)
        reference: str = (await response.json())["secret_ref"]
        return reference

    def start_blocked_controller(self) -> None:
        launcher = Path(__file__).with_name("blocked_controller.py")
        command = [sys.executable, str(launcher), *processes.controller_command(self.system.directory)[2:]]
        log = self.system.directory / "controller.log"
        self.system._children["controller"] = processes.start(command, self.system.environment(), log)

    async def test_all_heals_by_what_the_amphora_asks_for_itself(self) -> None:
        server = EmbeddedPostgres(self.system.reactor, self.system.directory / "other")
        dsn = await server.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        self.system.settings = {**self.settings, "OCTAVIA_TX_DATABASE__DSN": dsn}
        self.system.start_controller()
        await self.system.wait_for_api()
        for name in ("red", "blue"):
            await self.system.start_back_end(name)
        created = await self.create_load_balancer(red=self.system.members["red"])
        shown = await self.until_active(created["id"])
        one, two = [await self.certificate(host) for host in ("one.example.com", "two.example.com")]
        pool = (await self.tenant.call("GET", "/pools"))[1]["pools"][0]
        secure = await self.tenant.create(
            "/listeners", "listener", loadbalancer_id=created["id"], protocol="TERMINATED_HTTPS", protocol_port=8443,
            default_pool_id=pool["id"], default_tls_container_ref=one,
        )  # fmt: skip
        await self.until_active(created["id"])
        visitor = Visitor(self.system.reactor, shown["vip_address"], 8080)
        await visitor.visit()
        self.system.kill_controller()
        await server.stop()
        agents = self.system.running("octavia-amphora-agent")
        for _ in range(40):
            await visitor.visit()
            await self.pause(0.1)
        self.assertEqual(visitor.failed, {})

        await server.start()
        self.start_blocked_controller()
        await self.system.wait_for_api()
        stats = await self.tenant.wait_for(
            f"/loadbalancers/{created['id']}/stats", "stats",
            lambda found: bool(found and found["total_connections"] >= visitor.requests),
        )  # fmt: skip
        assert stats is not None
        self.assertEqual(stats["total_connections"], visitor.requests)
        member = {"address": "127.0.0.1", "protocol_port": self.system.members["blue"]}
        await self.tenant.create(f"/pools/{pool['id']}/members", "member", **member)
        await self.tenant.call("PUT", f"/listeners/{secure['id']}", {"listener": {"default_tls_container_ref": two}})
        await self.until_active(created["id"], 30)
        heard = await Client(self).ask(shown["vip_address"], 8443)
        assert heard is not None
        self.assertEqual(heard.host, "two.example.com")
        for _ in range(100):
            await visitor.visit()
            if visitor.served["blue"]:
                break
            await self.pause(0.05)
        self.assertTrue(visitor.served["blue"])
        self.assertEqual(self.system.running("octavia-amphora-agent"), agents)
        log = (self.system.directory / "controller.log").read_text()
        self.assertIn("runs revision", log)
