"""How large things may be; one more is refused, and changes nothing."""

from __future__ import annotations

from typing import Any

from tests.integration.api import SUBNET, ApiCase

PATH = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}


class SizeTests(ApiCase):
    """Names, batches, rules."""

    timeout = 120

    async def test_names_and_descriptions_have_255_characters(self) -> None:
        for length, status in ((255, 201), (256, 400)):
            for field in ("name", "description"):
                fields = {"vip_subnet_id": SUBNET, field: "é" * length}
                reply = await self.ask("POST", "loadbalancers", {"loadbalancer": fields})
                self.assertEqual(reply.status, status, (field, length))
                if status == 400:
                    self.assertIn(f"loadbalancer.{field}", reply.sentence)

    def members(self, count: int, **fields: Any) -> dict[str, Any]:
        addresses = [f"10.{n // 65536}.{n // 256 % 256}.{n % 256}" for n in range(1, count + 1)]
        return {"members": [{"address": a, "protocol_port": 80, "name": "n" * 255, **fields} for a in addresses]}

    async def test_a_batch_has_ten_thousand_members(self) -> None:
        balancer = await self.load_balancer()
        path = f"pools/{(await self.pool(balancer['id']))['id']}/members"
        refused = await self.ask("PUT", path, self.members(10_001))
        self.assertEqual(refused.status, 400)
        self.assertIn("members", refused.sentence)
        self.assertEqual((await self.ask("GET", f"{path}?limit=1")).body["members"], [])
        self.assertEqual((await self.ask("PUT", path, self.members(10_000))).status, 202)
        self.assertEqual(self.server.ask("SELECT count(*) FROM member", self.database_name), [(10_000,)])
        (one,) = (await self.ask("GET", f"{path}?limit=1")).body["members"]
        # What the database's session learned of a change of one row must not make one of all of them slow.
        self.assertEqual((await self.ask("PUT", f"{path}/{one['id']}", {"member": {"weight": 2}})).status, 200)
        self.assertEqual((await self.ask("PUT", path, self.members(10_000, weight=7))).status, 202)
        self.assertEqual(self.server.ask("SELECT DISTINCT weight FROM member", self.database_name), [(7,)])
        self.assertEqual((await self.ask("PUT", path, {"members": []})).status, 202)
        reply = await self.ask("GET", f"{path}?limit=2")
        self.assertEqual({m["provisioning_status"] for m in reply.body["members"]}, {"PENDING_DELETE"})

    async def test_a_tree_has_ten_thousand_members_in_a_pool(self) -> None:
        http = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        for count, status in ((10_001, 400), (10_000, 201)):
            pools = [{**http, **self.members(count)}]
            reply = await self.ask("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET, "pools": pools}})
            self.assertEqual(reply.status, status)
        self.assertEqual(self.server.ask("SELECT count(*) FROM member", self.database_name), [(10_000,)])

    async def test_a_policy_has_fifty_rules(self) -> None:
        listener = await self.listener((await self.load_balancer())["id"])
        policy = {"listener_id": listener["id"], "action": "REJECT"}
        refused = await self.ask("POST", "l7policies", {"l7policy": {**policy, "rules": [PATH] * 51}})
        self.assertEqual(refused.status, 400)
        self.assertIn("l7policy.rules", refused.sentence)
        made = await self.make("l7policy", "l7policies", **policy, rules=[PATH] * 49)
        rules = f"l7policies/{made['id']}/rules"
        self.assertEqual((await self.ask("POST", rules, {"rule": PATH})).status, 201)
        one_more = await self.ask("POST", rules, {"rule": PATH})
        self.assertEqual(one_more.status, 409)
        self.assertIn("50", one_more.sentence)
        self.assertEqual(len((await self.ask("GET", rules)).body["rules"]), 50)
