"""Failover with real haproxies under real requests: nobody notices."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import Any

from twisted.internet.threads import deferToThread

from octavia_tx.db import failover
from octavia_tx.db.database import Database
from octavia_tx.db.embedded import EmbeddedPostgres
from tests.integration.system import SystemCase


class Client(threading.Thread):
    """Requests without a pause, each on a connection of its own, as plain as can be."""

    REQUEST = b"GET / HTTP/1.0\r\n\r\n"

    def __init__(self, address: str, port: int) -> None:
        super().__init__(daemon=True)
        self._where = (address, port)
        self.answered = 0
        self.failed: list[str] = []
        self.over = False

    def run(self) -> None:
        while not self.over:
            try:
                self._ask()
            except OSError as error:
                self.failed.append(repr(error))

    def _ask(self) -> None:
        with socket.create_connection(self._where, timeout=5) as connection:
            connection.sendall(self.REQUEST)
            answer = b""
            while piece := connection.recv(4096):
                answer += piece
        if answer.startswith(b"HTTP/1.") and b" 200 " in answer.partition(b"\r\n")[0]:
            self.answered += 1
        else:
            self.failed.append(repr(answer[:80]))


class FailoverCase(SystemCase):
    """Has a load balancer that serves, and the database to ask for a failover in."""

    async def begin(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.system.start_back_end("red")
        created = await self.create_load_balancer(red=self.system.members["red"])
        self.load_balancer: str = created["id"]
        self.address: str = (await self.until_active(self.load_balancer))["vip_address"]
        dsn = await EmbeddedPostgres(self.system.reactor, self.system.directory / "state" / "postgresql").join()
        self.database = Database(self.system.reactor, dsn, size=1)
        self.database.startService()
        self.addCleanup(self.database.stopService)
        self.old = self.machines()

    def machines(self) -> set[str]:
        """The directories of the machines there are."""
        return {path.name for path in (self.system.directory / "state" / "amphorae").glob("*-*-*-*-*")}

    async def fail_over(self) -> None:
        async with self.database.transaction() as tx:
            await failover.of_load_balancer(tx, self.load_balancer)

    async def until_replaced(self, seconds: float = 30) -> None:
        """Another amphora serves, and nothing is left of the old one."""
        for _ in range(int(seconds / 0.05)):
            now = self.machines()
            if len(now) == 1 and not now & self.old:
                break
            await self.pause(0.05)
        else:
            self.fail(f"from {self.old} to {self.machines()}: {self.system.last_words()}")
        await self.until_active(self.load_balancer)
        self.old = self.machines()
        self.assertEqual(len(self.system.running("octavia-amphora-agent")), 1)

    async def under_requests(self, deed: Callable[[], Any], clients: int = 4) -> list[Client]:
        """Do it while clients ask."""
        asking = [Client(self.address, 8080) for _ in range(clients)]
        for client in asking:
            client.start()
        try:
            await deed()
        finally:
            for client in asking:
                client.over = True
            await deferToThread(lambda: [client.join() for client in asking])
        return asking


class UnderRequests(FailoverCase):
    async def test_no_request_fails_over_several_failovers(self) -> None:
        await self.begin()

        async def deed() -> None:
            for _ in range(5):
                await self.fail_over()
                await self.fail_over()
                await self.until_replaced()

        asking = await self.under_requests(deed)
        self.assertEqual([client.failed for client in asking], [[]] * 4)
        self.assertGreater(sum(client.answered for client in asking), 200)

    async def test_an_answer_under_way_is_finished_by_the_old_one(self) -> None:
        await self.begin()
        with socket.create_connection((self.address, 8080), timeout=10) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")  # not yet whole
            await self.pause(0.1)
            await self.fail_over()
            for _ in range(200):
                if len(self.machines()) == 2 and self.machines() - self.old:
                    break
                await self.pause(0.02)
            await self.until_active(self.load_balancer)
            await self.pause(1.0)
            self.assertEqual(len(self.machines()), 2, "the old one is gone, though it has a connection")
            connection.sendall(b"Connection: close\r\n\r\n")
            answer = await deferToThread(connection.recv, 4096)
        self.assertIn(b" 200 ", answer.partition(b"\r\n")[0])
        await self.until_replaced()

    async def test_a_dead_agent_and_a_dead_haproxy_are_replaced(self) -> None:
        await self.begin()

        async def agent_dies() -> None:
            for pid in self.system.running("octavia-amphora-agent"):
                os.kill(pid, signal.SIGKILL)
            await self.fail_over()
            await self.until_replaced()

        asking = await self.under_requests(agent_dies)
        self.assertEqual([client.failed for client in asking], [[]] * 4)
        # Its agent starts haproxy again within a second: meanwhile nobody can serve, and after it both do.
        for pid in self.system.running("haproxy.cfg"):
            os.kill(pid, signal.SIGKILL)
        await self.fail_over()
        await self.until_replaced()
        asking = await self.under_requests(lambda: self.pause(0.3))
        self.assertEqual([client.failed for client in asking], [[]] * 4)

    async def test_a_frozen_agent_is_replaced_after_a_while(self) -> None:
        await self.begin()
        frozen = self.system.running("octavia-amphora-agent")
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        await self.fail_over()
        await self.until_replaced(60)
