"""A load balancer with several front ends, of both IP versions, under a real haproxy."""

from __future__ import annotations

from collections import Counter
from typing import Any

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID, IPV6_SUBNET_ID
from octavia_tx.demo import processes
from octavia_tx.demo.tenant import Visitor
from tests.integration.ports import free_port
from tests.integration.system import SystemCase


class SeveralFrontEnds(SystemCase):
    async def _create(self, port: int, *additional: dict[str, str], **asked: Any) -> tuple[int, Any]:
        pool = {
            "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
            "members": [{"address": "127.0.0.1", "protocol_port": self.system.members["red"]}],
        }  # fmt: skip
        listener = {"protocol": "HTTP", "protocol_port": port, "default_pool": pool}
        wanted = {"vip_subnet_id": IPV4_SUBNET_ID, "additional_vips": additional, "listeners": [listener], **asked}
        return await self.tenant.call("POST", "/loadbalancers", {"loadbalancer": wanted})

    async def _seen(self, address: str, port: int) -> None:
        visitor = Visitor(self.system.reactor, address, port)
        for _ in range(5):
            await visitor.visit()
        self.assertEqual((visitor.served, visitor.failed), (Counter(red=5), Counter()))

    async def test_all_of_them_serve_and_impossible_ones_are_refused(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        await self.system.start_back_end("red")
        port = free_port()
        code, answer = await self._create(port, {"ip_address": "127.200.0.7"}, {"subnet_id": IPV6_SUBNET_ID})
        self.assertEqual(code, 201, answer)
        shown = await self.until_active(answer["loadbalancer"]["id"])
        second, third = shown["additional_vips"]
        self.assertEqual(second["ip_address"], "127.200.0.7")
        self.assertNotEqual(second["ip_address"], shown["vip_address"])
        self.assertEqual((third["ip_address"], third["subnet_id"]), ("::1", IPV6_SUBNET_ID))
        self.assertEqual(len({shown["vip_port_id"], second["port_id"], third["port_id"]}), 3)
        for address in (shown["vip_address"], second["ip_address"], "::1"):
            await self._seen(address, port)

        for field, wrong in (
            ("ip_address", {"subnet_id": IPV4_SUBNET_ID, "ip_address": "127.64.0.9"}),
            ("ip_address", {"subnet_id": IPV4_SUBNET_ID, "ip_address": "192.0.2.1"}),
            ("subnet_id", {"subnet_id": "ffffffff-0000-4000-8000-000000000000"}),
            ("subnet_id", {"subnet_id": IPV4_SUBNET_ID}),
        ):
            code, answer = await self._create(port, wrong)
            self.assertEqual(code, 400, answer)
            self.assertIn(f"loadbalancer.additional_vips[0].{field}", answer["faultstring"])

        code, _ = await self.tenant.call("DELETE", f"/loadbalancers/{shown['id']}?cascade=true")
        self.assertEqual(code, 204)
        await self.until_gone(shown["id"])
        self.assertFalse(processes.listens(second["ip_address"], port))
