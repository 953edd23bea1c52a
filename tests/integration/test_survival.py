"""What must not be lost when parts die: real processes, killed."""

from __future__ import annotations

import os
import signal
from collections import Counter

from twisted.internet.defer import Deferred

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from octavia_tx.db.embedded import EmbeddedPostgres
from octavia_tx.demo import processes
from octavia_tx.demo.tenant import Visitor
from tests.integration.system import SystemCase, with_children


class ControllerKilled(SystemCase):
    settings = {"OCTAVIA_TX_CONTROLLER__LEASE": "1"}

    async def test_an_amphora_outlives_the_controller_and_is_found_again(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.system.start_back_end("red")
        created = await self.create_load_balancer(red=self.system.members["red"])
        shown = await self.until_active(created["id"])
        agents, haproxies = self.system.running("octavia-amphora-agent"), self.system.running("haproxy.cfg")
        self.assertEqual(len(agents), 1)
        self.system.kill_controller()
        visitor = Visitor(self.system.reactor, shown["vip_address"], 8080)
        await self.pause(1.0)
        for _ in range(5):
            await visitor.visit()
        self.assertEqual((visitor.served, visitor.failed), (Counter(red=5), Counter()))
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.until_active(created["id"])
        await self.pause(2.5)  # the supervisor has looked by then
        self.assertEqual(self.system.running("octavia-amphora-agent"), agents)
        self.assertEqual(self.system.running("haproxy.cfg"), haproxies)

    async def test_haproxy_killed_serves_again_within_a_second(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.system.start_back_end("red")
        created = await self.create_load_balancer(red=self.system.members["red"])
        shown = await self.until_active(created["id"])
        visitor = Visitor(self.system.reactor, shown["vip_address"], 8080)
        for _ in range(100):
            if await visitor.visit():
                break
            await self.pause(0.05)
        for pid in self.system.running("haproxy.cfg"):
            os.kill(pid, signal.SIGKILL)
        killed = self.system.reactor.seconds()
        self.assertIsNone(await visitor.visit())
        while not await visitor.visit():
            self.assertLess(self.system.reactor.seconds() - killed, 1.0)
            await self.pause(0.02)


class DatabaseGone(SystemCase):
    """Ten seconds without PostgreSQL, under requests."""

    settings = {"OCTAVIA_TX_DATABASE__DEADLINE": "1"}

    async def _ten_seconds_without(self) -> None:
        """Every request in these ten seconds gets 503 with a fault, quickly."""
        told: Counter[int] = Counter()
        begun = self.system.reactor.seconds()
        while self.system.reactor.seconds() - begun < 10:
            for method, path, body in (
                ("GET", "/loadbalancers", None),
                ("POST", "/loadbalancers", {"loadbalancer": {"vip_subnet_id": IPV4_SUBNET_ID}}),
            ):
                asked = self.system.reactor.seconds()
                code, fault = await self.tenant.call(method, path, body)
                told[code] += 1
                self.assertLess(self.system.reactor.seconds() - asked, 5)
                self.assertEqual(fault["faultcode"], "Server")
                self.assertIn("database", fault["faultstring"].lower())
            await self.pause(0.1)
        self.assertEqual(set(told), {503})

    async def _recovers(self, begun: str) -> None:
        """What was accepted before comes to its end, and so does what is asked for now."""
        for _ in range(100):
            code, _ = await self.tenant.call("GET", "/loadbalancers")
            if code == 200:
                break
            await self.pause(0.1)
        await self.until_active(begun)
        await self.until_active((await self.create_load_balancer(8081))["id"])
        _code, listed = await self.tenant.call("GET", "/loadbalancers")
        self.assertEqual(len(listed["loadbalancers"]), 2, "a request that got 503 was carried out")

    async def test_a_frozen_database_is_told_and_all_recovers(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        created = await self.create_load_balancer()
        masters = self.system.running("bin/postgres")
        processes.end(masters, signal.SIGSTOP)  # first, so that it makes no more children
        servers = with_children(masters)
        processes.end(servers, signal.SIGSTOP)
        self.addCleanup(processes.end, servers, signal.SIGCONT)
        await self._ten_seconds_without()
        processes.end(servers, signal.SIGCONT)
        await self._recovers(created["id"])

    async def test_a_stopped_database_is_told_and_all_recovers(self) -> None:
        server = EmbeddedPostgres(self.system.reactor, self.system.directory / "other")
        dsn = await server.start()
        self.addCleanup(lambda: Deferred.fromCoroutine(server.stop()))
        self.system.settings = {**self.settings, "OCTAVIA_TX_DATABASE__DSN": dsn}
        self.system.start_controller()
        await self.system.wait_for_api()
        created = await self.create_load_balancer()
        await server.stop()
        await self._ten_seconds_without()
        self.assertEqual(await server.start(), dsn)
        await self._recovers(created["id"])
