"""Statistics by what clients counted, while haproxy, agents and controllers are ended and come back at random."""

from __future__ import annotations

import os
import signal
import socket
from random import Random
from typing import Any

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.threads import deferToThread

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from tests.integration.system import SystemCase

REQUEST = b"GET / HTTP/1.0\r\nHost: www.example.com\r\n\r\n"
CLIENTS = 3


class Client:
    """Comes again and again, each time by a connection of its own, and counts."""

    def __init__(self, address: str, port: int) -> None:
        self._address = address, port
        self.goes = True
        self.connections = self.sent = self.received = self.failures = 0

    def run(self) -> None:
        while self.goes:
            try:
                self.visit()
            except OSError:
                self.failures += 1

    def visit(self) -> None:
        """@raise OSError: nobody is there; a haproxy that was killed may leave a connection that nobody accepted."""
        received = 0
        with socket.create_connection(self._address, 5) as connection:
            connection.sendall(REQUEST)
            while part := connection.recv(4096):
                received += len(part)
        self.connections += 1
        self.sent += len(REQUEST)
        self.received += received


class Restarts(SystemCase):
    settings = {"OCTAVIA_TX_CONTROLLER__LEASE": "1"}
    timeout = 400

    async def create(self) -> dict[str, Any]:
        """Of TCP, whose bytes haproxy counts as they come and go."""
        pool = {
            "name": "pool", "protocol": "TCP", "lb_algorithm": "ROUND_ROBIN",
            "members": [{"address": "127.0.0.1", "protocol_port": self.system.members["red"]}],
        }  # fmt: skip
        listener = {"name": "web", "protocol": "TCP", "protocol_port": 8080, "default_pool": pool}
        return await self.tenant.create(
            "/loadbalancers", "loadbalancer", name="lb", vip_subnet_id=IPV4_SUBNET_ID, listeners=[listener]
        )

    def begin_traffic(self, address: str) -> Deferred[Any]:
        self.clients += [Client(address, 8080) for _ in range(CLIENTS)]
        threads = [deferToThread(client.run) for client in self.clients[-CLIENTS:]]
        return DeferredList(threads, fireOnOneErrback=True)

    async def end_traffic(self) -> None:
        for client in self.clients:
            client.goes = False
        await self.traffic

    def counted(self) -> tuple[int, int, int]:
        """Connections, bytes to the load balancer, and bytes from it."""
        clients = self.clients
        connections = sum(c.connections for c in clients)
        return connections, sum(c.sent for c in clients), sum(c.received for c in clients)

    async def look(self) -> tuple[int, int, int]:
        """The same by the API, which never shows less than before."""
        shown = await self.tenant.show(f"/loadbalancers/{self.load_balancer}/stats", "stats")
        assert shown is not None
        now = shown["total_connections"], shown["bytes_in"], shown["bytes_out"]
        self.assertTrue(all(new >= old for new, old in zip(now, self.seen, strict=True)), f"{self.seen} → {now}")
        self.seen = now
        return now

    async def until_all_is_shown(self) -> None:
        for _ in range(150):
            if await self.look() == self.counted():
                return
            await self.pause(0.1)
        self.assertEqual(self.seen, self.counted())

    def end(self, word: str) -> None:
        for pid in self.system.running(word):
            os.kill(pid, signal.SIGKILL)

    async def reload_haproxy(self) -> None:
        self.limit += 1
        await self.tenant.call("PUT", f"/listeners/{self.listener}", {"listener": {"connection_limit": self.limit}})
        await self.until_active(self.load_balancer)

    async def restart_haproxy(self) -> None:
        """Its end comes without a last word, so that traffic must rest until the one before is heard."""
        await self.end_traffic()
        await self.pause(1.5)
        self.end("haproxy.cfg")
        await self.until_served()
        self.traffic = self.begin_traffic(self.address)

    async def restart_agent(self) -> None:
        self.end("octavia-amphora-agent")
        await self.pause(1.5)

    async def restart_controller(self) -> None:
        self.system.kill_controller()
        await self.pause(0.5)
        self.system.start_controller()
        await self.system.wait_for_api()

    async def restart_all(self) -> None:
        """What was counted while nobody heard it must not be lost with those who counted it."""
        self.system.kill_controller()
        await self.pause(2)
        await self.end_traffic()
        await self.pause(1.5)
        self.end("octavia-amphora-agent")
        self.end("haproxy.cfg")
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.until_served()
        self.traffic = self.begin_traffic(self.address)

    async def until_served(self) -> None:
        probe = Client(self.address, 8080)
        self.clients.append(probe)
        for _ in range(200):
            try:
                await deferToThread(probe.visit)
            except OSError:
                await self.pause(0.05)
            else:
                return
        self.fail("nobody is served")

    async def test_they_are_what_clients_counted_and_never_go_back(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.system.start_back_end("red")
        self.load_balancer = (await self.create())["id"]
        self.address = (await self.until_active(self.load_balancer))["vip_address"]
        self.listener = (await self.tenant.call("GET", "/listeners"))[1]["listeners"][0]["id"]
        self.limit = 1000
        self.seen = (0, 0, 0)
        self.clients: list[Client] = []
        self.traffic = self.begin_traffic(self.address)
        self.addCleanup(self.end_traffic)
        chance = Random(11)
        restarts = [self.reload_haproxy, self.restart_haproxy, self.restart_agent, self.restart_controller]
        happenings = [*restarts * 3, self.restart_all]
        chance.shuffle(happenings)
        for happen in happenings:
            for _ in range(chance.randrange(8)):
                await self.pause(0.2)
                await self.look()
            await happen()
            await self.look()
        await self.end_traffic()
        await self.until_all_is_shown()
        self.assertGreater(self.seen[0], 1000)
        self.assertEqual(sum(client.failures for client in self.clients), 0)
