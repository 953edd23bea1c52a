"""A tenant's way through the whole system: every change over the API, and what users of the VIP then see."""

from __future__ import annotations

import http.client
import threading
from collections import Counter
from typing import Any

from twisted.internet.protocol import Factory
from twisted.internet.threads import deferToThread

from octavia_tx.cloud.loopback import IPV6_SUBNET_ID
from octavia_tx.demo import processes
from octavia_tx.demo.tenant import Visitor
from tests.integration.ports import free_port
from tests.integration.system import SystemCase


class KeptAlive(threading.Thread):
    """A client that uses its connection again without a look whether it still stands, as simple ones do."""

    def __init__(self, address: str, port: int) -> None:
        super().__init__(daemon=True)
        self._connection = http.client.HTTPConnection(address, port, timeout=5)
        self.answered = 0
        self.failed: list[str] = []
        self.over = False
        self._pause = threading.Event()

    def run(self) -> None:
        while not self.over:
            try:
                self._connection.request("GET", "/")
                answer = self._connection.getresponse()
                answer.read()
                self.answered += answer.status == 200
            except (OSError, http.client.HTTPException) as error:
                self.failed.append(repr(error))
                self._connection.close()
            self._pause.wait(0.004)
        self._connection.close()


class OneLoadBalancer(SystemCase):
    async def _begin(self, *names: str) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        for name in names:
            await self.system.start_back_end(name)

    async def _change(self, path: str, key: str, **fields: Any) -> dict[str, Any]:
        code, answer = await self.tenant.call("PUT", path, {key: fields})
        self.assertEqual(code, 200, answer)
        changed: dict[str, Any] = answer[key]
        return changed

    async def _seen(self, address: str, port: int, requests: int = 10) -> Counter[str]:
        """Who answers; every request must be answered."""
        visitor = Visitor(self.system.reactor, address, port)
        for _ in range(requests):
            await visitor.visit()
        self.assertEqual(visitor.failed, Counter())
        return visitor.served

    async def test_each_change_reaches_the_users(self) -> None:
        await self._begin("red", "blue")
        created = await self.create_load_balancer(red=self.system.members["red"])
        load_balancer = created["id"]
        address = (await self.until_active(load_balancer))["vip_address"]
        (pool,) = [p["id"] for p in created["pools"]]
        (listener,) = [p["id"] for p in created["listeners"]]
        self.assertEqual(set(await self._seen(address, 8080)), {"red"})

        member = await self.tenant.create(
            f"/pools/{pool}/members", "member", address="127.0.0.1", protocol_port=self.system.members["blue"]
        )
        await self.until_active(load_balancer)
        self.assertEqual(set(await self._seen(address, 8080)), {"red", "blue"})

        await self._change(f"/pools/{pool}/members/{member['id']}", "member", weight=0)
        await self.until_active(load_balancer)
        self.assertEqual(set(await self._seen(address, 8080)), {"red"})

        second = await self.tenant.create(
            "/listeners", "listener", protocol="TCP", protocol_port=8081, loadbalancer_id=load_balancer,
            default_pool={"protocol": "TCP", "lb_algorithm": "LEAST_CONNECTIONS",
                          "members": [{"address": "127.0.0.1", "protocol_port": self.system.members["blue"]}]},
        )  # fmt: skip
        await self.until_active(load_balancer)
        self.assertEqual(set(await self._seen(address, 8081)), {"blue"})

        await self._change(f"/listeners/{listener}", "listener", admin_state_up=False)
        await self.until_active(load_balancer)
        self.assertFalse(processes.listens(address, 8080))
        self.assertEqual(set(await self._seen(address, 8081)), {"blue"})

        code, _ = await self.tenant.call("DELETE", f"/listeners/{second['id']}")
        self.assertEqual(code, 204)
        await self.tenant.wait_for(f"/listeners/{second['id']}", "listener", lambda shown: shown is None)
        self.assertFalse(processes.listens(address, 8081))
        await self.until_active(load_balancer)

    async def test_statuses_are_told_for_each_object(self) -> None:
        await self._begin("red")
        created = await self.create_load_balancer(red=self.system.members["red"], gone=free_port())
        await self.until_active(created["id"])
        (pool,) = [p["id"] for p in created["pools"]]
        await self.tenant.wait_for(f"/pools/{pool}", "pool", lambda p: bool(p and p["operating_status"] == "DEGRADED"))
        _code, answer = await self.tenant.call("GET", f"/pools/{pool}/members")
        for member in answer["members"]:
            wanted = {"red": "ONLINE", "gone": "ERROR"}[member["name"]]
            await self.tenant.wait_for(
                f"/pools/{pool}/members/{member['id']}",
                "member",
                lambda m, wanted=wanted: bool(m and m["operating_status"] == wanted),
            )
        code, answer = await self.tenant.call("GET", "/healthmonitors")
        self.assertEqual([m["operating_status"] for m in answer["healthmonitors"]], ["ONLINE"])
        code, answer = await self.tenant.call("GET", f"/loadbalancers/{created['id']}/status")
        self.assertEqual(answer["statuses"]["loadbalancer"]["operating_status"], "DEGRADED")

    async def test_many_quick_changes_are_accepted_and_end_active(self) -> None:
        await self._begin("red")
        created = await self.create_load_balancer(red=self.system.members["red"])
        (pool,) = [p["id"] for p in created["pools"]]
        for number in range(20):
            await self.tenant.create(
                f"/pools/{pool}/members", "member", address=f"127.0.1.{number + 1}", protocol_port=80, backup=True
            )
            await self._change(f"/loadbalancers/{created['id']}", "loadbalancer", name=f"name {number}")
        shown = await self.until_active(created["id"])
        self.assertEqual(shown["name"], "name 19")
        _code, answer = await self.tenant.call("GET", f"/pools/{pool}/members")
        self.assertEqual({m["provisioning_status"] for m in answer["members"]}, {"ACTIVE"})
        self.assertEqual(len(answer["members"]), 21)

    async def test_clients_that_keep_their_connections_lose_no_request_over_changes(self) -> None:
        await self._begin("red")
        created = await self.create_load_balancer(red=self.system.members["red"])
        shown = await self.until_active(created["id"])
        (pool,) = [p["id"] for p in created["pools"]]
        clients = [KeptAlive(shown["vip_address"], 8080) for _ in range(4)]
        for client in clients:
            client.start()
        try:
            for number in range(10):
                fields = {"address": f"127.0.1.{number + 1}", "protocol_port": 80, "backup": True}
                await self.tenant.create(f"/pools/{pool}/members", "member", **fields)
                await self.until_active(created["id"])
        finally:
            for client in clients:
                client.over = True
            await deferToThread(lambda: [client.join() for client in clients])
        self.assertEqual([client.failed for client in clients], [[]] * 4)
        self.assertGreater(min(client.answered for client in clients), 20)

    async def test_a_load_balancer_on_ipv6(self) -> None:
        await self._begin("red")
        port = free_port()
        pool = {
            "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
            "members": [{"address": "127.0.0.1", "protocol_port": self.system.members["red"]}],
        }  # fmt: skip
        created = await self.tenant.create(
            "/loadbalancers", "loadbalancer", vip_subnet_id=IPV6_SUBNET_ID,
            listeners=[{"protocol": "HTTP", "protocol_port": port, "default_pool": pool}],
        )  # fmt: skip
        shown = await self.until_active(created["id"])
        self.assertEqual(shown["vip_address"], "::1")
        self.assertEqual(set(await self._seen("::1", port)), {"red"})

    async def test_a_port_that_somebody_has_is_told_and_mended(self) -> None:
        await self._begin()
        taken = free_port()
        listening = self.system.reactor.listenTCP(taken, Factory(), interface="127.0.0.1")
        created = await self.tenant.create(
            "/loadbalancers", "loadbalancer", vip_address="127.0.0.1",
            vip_subnet_id="b8a8e0f2-c0a0-5a9f-9cd9-7a12b60c972d",
            listeners=[{"protocol": "HTTP", "protocol_port": taken}],
        )  # fmt: skip
        await self.pause(3)
        shown = await self.tenant.show(f"/loadbalancers/{created['id']}", "loadbalancer")
        assert shown is not None
        self.assertNotEqual(shown["provisioning_status"], "ACTIVE")
        self.assertIn("cannot bind", (self.system.directory / "controller.log").read_text())
        await listening.stopListening()
        await self.until_active(created["id"], 60)
