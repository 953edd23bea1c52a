"""How many objects projects may have, also when many ask at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

from twisted.internet.defer import Deferred, gatherResults

from octavia_tx.db import quotas
from tests.integration.api import SUBNET, ApiCase, Reply

KEYS = {
    "health_monitor", "healthmonitor", "l7policy", "l7rule", "listener", "load_balancer", "loadbalancer", "member",
    "pool", "project_id", "tenant_id",
}  # fmt: skip
PROJECT = "a0b1c2d3e4f5061728394a5b6c7d8e9f"  # as keystone spells them


class QuotaTests(ApiCase):
    """C{quotas}."""

    quotas = {"load_balancer": 5}

    async def limit(self, project: str = PROJECT, **limits: Any) -> Reply:
        return await self.ask("PUT", f"quotas/{project}", {"quota": limits})

    async def ask_for(self, kind: str, path: str, **fields: Any) -> Reply:
        return await self.ask("POST", path, {kind: fields}, {"X-Project-Id": PROJECT})

    async def test_a_project_has_the_systems_limits_until_it_gets_its_own(self) -> None:
        shown = await self.shown(f"quotas/{PROJECT}")
        self.assertEqual(shown.keys(), KEYS)
        self.assertEqual((shown["load_balancer"], shown["loadbalancer"], shown["pool"]), (5, 5, -1))
        self.assertEqual((shown["project_id"], shown["tenant_id"]), (PROJECT, PROJECT))
        reply = await self.limit(pool=3, healthmonitor=2, load_balancer=7)
        self.assertEqual(reply.status, 202)
        expected = {**shown, "pool": 3, "healthmonitor": 2, "health_monitor": 2, "load_balancer": 7, "loadbalancer": 7}
        self.assertEqual(reply.body["quota"], expected)
        self.assertEqual(await self.shown(f"quotas/{PROJECT}"), expected)
        self.assertEqual(await self.shown(f"quotas/{PROJECT}/default"), shown)
        self.assertEqual((await self.shown("quotas/defaults")).keys(), KEYS - {"project_id", "tenant_id"})
        self.assertEqual((await self.limit(pool=None)).body["quota"], {**expected, "pool": -1})
        self.assertEqual((await self.ask("DELETE", f"quotas/{PROJECT}")).status, 202)
        self.assertEqual(await self.shown(f"quotas/{PROJECT}"), shown)

    async def test_projects_with_limits_are_listed_by_pages(self) -> None:
        for project in ("p1", "p2", "p3"):
            await self.limit(project, pool=1)
        seen: list[str] = []
        url = "quotas?limit=2"
        while url:
            reply = await self.ask("GET", url)
            seen += [quota["project_id"] for quota in reply.body["quotas"]]
            url = next((link["href"][len(self.base) :] for link in reply.body["quotas_links"]), "")
        self.assertEqual(seen, ["p1", "p2", "p3"])
        (one,) = (await self.ask("GET", "quotas?project_id=p2")).body["quotas"]
        self.assertEqual((one["project_id"], one["pool"]), ("p2", 1))

    async def test_a_limit_that_cannot_be_is_named(self) -> None:
        for limits, field in (
            ({"pool": -2}, "quota.pool"),
            ({"pool": "many"}, "quota.pool"),
            ({"pools": 1}, "quota.pools"),
            ({"load_balancer": 1, "loadbalancer": 2}, "quota.loadbalancer"),
            ({"member": 2_000_000_001}, "quota.member"),
            ({"tenant_id": "another"}, "quota.tenant_id"),
        ):
            reply = await self.limit(**limits)
            self.assertEqual(reply.status, 400)
            self.assertIn(field, reply.sentence)
        self.assertEqual((await self.ask("PUT", f"quotas/{PROJECT}", {"quota": []})).status, 400)

    async def test_two_names_of_one_limit_say_the_same(self) -> None:
        for first, second in (("load_balancer", "loadbalancer"), ("healthmonitor", "health_monitor")):
            for one, other in ((first, second), (second, first)):
                self.assertIn(f"the same as quota.{one}", (await self.limit(**{one: 1, other: 2})).sentence)
                self.assertEqual((await self.limit(**{one: 1, other: 1})).status, 202)

    async def test_a_body_may_name_its_project(self) -> None:
        reply = await self.limit(pool=3, tenant_id=PROJECT)
        self.assertEqual((reply.status, reply.body["quota"]["pool"]), (202, 3))

    async def test_a_list_of_one_order_says_so(self) -> None:
        reply = await self.ask("GET", "quotas?sort=project_id")
        self.assertEqual(reply.status, 400)
        self.assertIn("one order", reply.sentence)

    async def test_a_change_of_no_limit_is_none(self) -> None:
        before = (await self.limit(pool=3)).body
        reply = await self.limit()
        self.assertEqual((reply.status, reply.body), (202, before))

    async def test_each_kind_is_counted_and_refused_above_its_limit(self) -> None:
        await self.limit(load_balancer=1, listener=1, pool=1, member=2, health_monitor=0, l7policy=1, l7rule=1)
        balancer = (await self.ask_for("loadbalancer", "loadbalancers", vip_subnet_id=SUBNET)).body["loadbalancer"]
        parent = {"loadbalancer_id": balancer["id"]}
        listener = (await self.ask_for("listener", "listeners", protocol="HTTP", protocol_port=80, **parent)).body[
            "listener"
        ]
        http = {"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN"}
        pool = (await self.ask_for("pool", "pools", **http, **parent)).body["pool"]
        below = f"pools/{pool['id']}/members"
        await self.ask_for("member", below, address="192.0.2.1", protocol_port=80)
        policy = {"listener_id": listener["id"], "action": "REJECT"}
        made = (await self.ask_for("l7policy", "l7policies", **policy)).body["l7policy"]
        rule = {"type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
        await self.ask_for("rule", f"l7policies/{made['id']}/rules", **rule)
        check = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1}
        for kind, path, fields, resource in (
            ("loadbalancer", "loadbalancers", {"vip_subnet_id": SUBNET}, "load_balancer"),
            ("listener", "listeners", {"protocol": "HTTP", "protocol_port": 81, **parent}, "listener"),
            ("pool", "pools", {**http, **parent}, "pool"),
            ("healthmonitor", "healthmonitors", {**check, "pool_id": pool["id"]}, "health_monitor"),
            ("l7policy", "l7policies", policy, "l7policy"),
            ("rule", f"l7policies/{made['id']}/rules", rule, "l7rule"),
        ):
            reply = await self.ask_for(kind, path, **fields)
            self.assertEqual(reply.status, 403, (kind, reply))
            self.assertIn(f"Quota has been met for resources: {resource}.", reply.sentence)
        batch = [{"address": f"192.0.2.{n}", "protocol_port": 80} for n in (1, 2, 3)]
        reply = await self.ask("PUT", below, {"members": batch})
        self.assertEqual(reply.status, 403)
        self.assertEqual((await self.ask("PUT", below, {"members": batch[:2]})).status, 202)

    async def test_a_tree_above_a_limit_fails_as_a_whole(self) -> None:
        await self.limit(member=1)
        members = [{"address": f"192.0.2.{n}", "protocol_port": 80} for n in (1, 2)]
        pools = [{"protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "members": members}]
        reply = await self.ask_for("loadbalancer", "loadbalancers", vip_subnet_id=SUBNET, pools=pools)
        self.assertEqual(reply.status, 403)
        self.assertEqual((await self.ask("GET", "loadbalancers")).body["loadbalancers"], [])

    async def test_what_is_being_deleted_makes_room(self) -> None:
        await self.limit(load_balancer=1)
        made = (await self.ask_for("loadbalancer", "loadbalancers", vip_subnet_id=SUBNET)).body["loadbalancer"]
        self.assertEqual((await self.ask_for("loadbalancer", "loadbalancers", vip_subnet_id=SUBNET)).status, 403)
        await self.ask("DELETE", f"loadbalancers/{made['id']}")
        self.assertEqual((await self.ask_for("loadbalancer", "loadbalancers", vip_subnet_id=SUBNET)).status, 201)

    async def test_members_that_are_replaced_make_room_for_those_that_replace_them(self) -> None:
        pool = await self.pool((await self.load_balancer())["id"])
        path = f"pools/{pool['id']}/members"
        await self.ask("PUT", f"quotas/{pool['project_id']}", {"quota": {"member": 2}})
        for count, last, status in ((2, 0, 202), (2, 2, 202), (3, 4, 403), (2, 6, 202)):
            members = [{"address": f"192.0.2.{last + n}", "protocol_port": 80} for n in range(1, count + 1)]
            self.assertEqual((await self.ask("PUT", path, {"members": members})).status, status)

    async def test_many_at_once_get_no_more_than_the_limit(self) -> None:
        await self.limit(load_balancer=7)
        asked = [
            Deferred.fromCoroutine(self.ask_for("loadbalancer", "loadbalancers", vip_subnet_id=SUBNET))
            for _ in range(20)
        ]
        codes = Counter(reply.status for reply in await gatherResults(asked))
        self.assertEqual(codes, {201: 7, 403: 13})
        async with self.database.transaction(read_only=True) as tx:
            self.assertEqual((await quotas.usage(tx, PROJECT))["load_balancer"], 7)
