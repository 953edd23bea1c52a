"""A tenant's long life with C{openstack loadbalancer}: changes, looks, lists, rules and removals."""

from __future__ import annotations

import json
from typing import Any

from octavia_tx.demo import processes
from tests.journey.client import NOOP, ClientCase


def names(listed: list[dict[str, Any]]) -> list[str]:
    return [each["name"] for each in listed]


class TenantTests(ClientCase):
    """What a tenant types after L{tests.journey.test_openstack_client}, and what users of the VIP then see."""

    async def _shop(self, **members: int) -> str:
        """A load balancer, listener, pool and members, without a pause between them; gives the VIP's address."""
        do = self.openstack.do
        made = await self.openstack.ask("loadbalancer create --name shop --vip-subnet-id loopback-ipv4")
        self.assertEqual((made["provisioning_status"], made["operating_status"]), ("PENDING_CREATE", "OFFLINE"))
        await do("loadbalancer listener create --name web --protocol HTTP --protocol-port 8080 shop")
        await do("loadbalancer pool create --name backs --listener web --protocol HTTP --lb-algorithm ROUND_ROBIN")
        for name, port in members.items():
            address = f"--address 127.0.0.1 --protocol-port {port}"
            await do(f"loadbalancer member create --name {name} {address} backs")
        return str((await self.settled("shop"))["vip_address"])

    async def test_changes_reach_the_users(self) -> None:
        await self.begin("red", "blue")
        do, ask = self.openstack.do, self.openstack.ask
        address = await self._shop(**self.system.members)
        self.assertEqual(set(await self.visitors(address, 8080)), {"red", "blue"})
        await do("loadbalancer member set --weight 0 --wait backs red")
        self.assertEqual(set(await self.visitors(address, 8080)), {"blue"})
        await do("loadbalancer member unset --weight backs red")
        await self.settled("shop")
        self.assertEqual(set(await self.visitors(address, 8080)), {"red", "blue"})
        await do("loadbalancer pool set --lb-algorithm SOURCE_IP backs")
        await self.settled("shop")
        self.assertEqual(len(await self.visitors(address, 8080)), 1)
        await do("loadbalancer listener set --disable web")
        await self.settled("shop")
        self.assertFalse(processes.listens(address, 8080))
        await do("loadbalancer listener set --enable --connection-limit 50 --wait web")
        self.assertEqual((await ask("loadbalancer listener show web"))["connection_limit"], 50)
        self.assertEqual(sum((await self.visitors(address, 8080)).values()), 10)

    async def test_what_is_is_told(self) -> None:
        await self.begin("red")
        do, ask = self.openstack.do, self.openstack.ask
        address = await self._shop(red=self.system.members["red"])
        await do("loadbalancer healthmonitor create --delay 1 --timeout 1 --max-retries 1 --type HTTP backs")
        await self.settled("shop")
        made = await self.visitors(address, 8080)
        (listener,) = await ask("loadbalancer listener list --loadbalancer shop --enable")
        await self.tenant.wait_for(
            f"/listeners/{listener['id']}/stats", "stats", lambda s: bool(s and s["total_connections"] >= made.total())
        )
        for kind in ("loadbalancer stats show shop", "loadbalancer listener stats show web"):
            stats = await ask(kind)
            self.assertEqual((stats["total_connections"], stats["request_errors"]), (10, 0))
        (pool,) = await ask("loadbalancer pool list --loadbalancer shop")
        await self.tenant.wait_for(
            f"/pools/{pool['id']}", "pool", lambda p: bool(p and p["operating_status"] == "ONLINE")
        )
        tree = json.loads(await do("loadbalancer status show shop"))["loadbalancer"]
        self.assertEqual((tree["name"], tree["operating_status"]), ("shop", "ONLINE"))
        self.assertEqual(tree["listeners"][0]["pools"][0]["members"][0]["name"], "red")
        (member,) = await ask("loadbalancer member list backs")
        self.assertEqual((member["name"], member["operating_status"]), ("red", "ONLINE"))
        self.assertEqual(len(await ask("loadbalancer healthmonitor list")), 1)
        (port,) = await ask("port list --device-owner Octavia")
        self.assertIn(address, str(port))

    async def test_each_object_is_deleted_and_waited_for(self) -> None:
        await self.begin("red")
        do = self.openstack.do
        address = await self._shop(red=self.system.members["red"])
        await do(
            "loadbalancer healthmonitor create --name watch --delay 1 --timeout 1 --max-retries 1 --type TCP backs"
        )
        self.assertIn("cascade", await self.openstack.refused("loadbalancer delete shop"))
        await do("loadbalancer healthmonitor delete --wait watch")
        await do("loadbalancer member delete --wait backs red")
        await do("loadbalancer pool delete --wait backs")
        await do("loadbalancer listener delete --wait web")
        self.assertFalse(processes.listens(address, 8080))
        await do("loadbalancer delete --wait shop")
        self.assertEqual(await self.openstack.ask("loadbalancer list"), [])
        self.assertIn("shop", await self.openstack.refused("loadbalancer show shop"))

    async def test_a_whole_load_balancer_is_deleted_at_once(self) -> None:
        await self.begin("red")
        address = await self._shop(red=self.system.members["red"])
        await self.openstack.do("loadbalancer delete --cascade --wait shop")
        self.assertFalse(processes.listens(address, 8080))
        self.assertEqual(await self.openstack.ask("loadbalancer list"), [])
        self.assertEqual(await self.openstack.ask("loadbalancer pool list"), [])


class ListTests(ClientCase):
    """Many load balancers, and the ones that are looked for."""

    settings = NOOP

    async def test_load_balancers_are_found_by_what_they_are(self) -> None:
        await self.begin()
        ask = self.openstack.ask
        for name, tags in (("one", "--tag blue --tag large"), ("two", "--tag blue"), ("three", "--disable")):
            subnet = "0b2ad7cf-3cf9-4a4b-a4c8-2a8a4c1e2f10"
            await ask(f"loadbalancer create --name {name} {tags} --vip-subnet-id {subnet}")
            await self.settled(name)
        for filters, found in (
            ("", ["one", "two", "three"]),
            ("--name two", ["two"]),
            ("--disable", ["three"]),
            ("--enable --provider amphora", ["one", "two"]),
            ("--provisioning-status active --disable", ["three"]),
            ("--provisioning-status ERROR", []),
            ("--tags blue", ["one", "two"]),
            ("--tags blue,large", ["one"]),
            ("--any-tags blue,large", ["one", "two"]),
            ("--not-tags blue,large", ["two", "three"]),
            ("--not-any-tags blue,large", ["three"]),
            ("--project shop", []),
        ):
            self.assertEqual(names(await ask(f"loadbalancer list {filters}")), found, filters)

    async def test_names_descriptions_and_tags_are_set_and_cleared(self) -> None:
        await self.begin()
        do, ask = self.openstack.do, self.openstack.ask
        created = "--vip-network-id 0b2ad7cf-3cf9-4a4b-a4c8-2a8a4c1e2f11 --vip-address 198.51.100.7"
        made = await ask(f"loadbalancer create --name one --tag a {created}")
        self.assertEqual(made["vip_address"], "198.51.100.7")
        policy = "0b2ad7cf-3cf9-4a4b-a4c8-2a8a4c1e2f12"
        await do(f"loadbalancer set --name two --description 'a shop' --tag b --vip-qos-policy-id {policy} one")
        shown = await ask(f"loadbalancer show {made['id']}")
        self.assertEqual((shown["name"], shown["description"]), ("two", "a shop"))
        self.assertEqual((sorted(shown["tags"]), shown["vip_qos_policy_id"]), (["a", "b"], policy))
        await do("loadbalancer unset --description --vip-qos-policy-id --tag a two")
        shown = await ask("loadbalancer show two")
        self.assertEqual((shown["description"], shown["tags"], shown["vip_qos_policy_id"]), ("", ["b"], None))
        self.assertIn("nobody", await self.openstack.refused("loadbalancer set --name x nobody"))


class RuleTests(ClientCase):
    """Layer 7: which requests go where."""

    async def test_policies_and_rules_direct_requests(self) -> None:
        await self.begin("red", "blue")
        do, ask = self.openstack.do, self.openstack.ask
        await do("loadbalancer create --name shop --vip-subnet-id loopback-ipv4")
        await do("loadbalancer listener create --name web --protocol HTTP --protocol-port 8080 shop")
        for name, to in (("red", "--listener web"), ("blue", "--loadbalancer shop")):
            await do(f"loadbalancer pool create --name {name} {to} --protocol HTTP --lb-algorithm ROUND_ROBIN")
            place = f"--address 127.0.0.1 --protocol-port {self.system.members[name]}"
            await do(f"loadbalancer member create --name {name} {place} {name}")
        await do("loadbalancer l7policy create --name to-blue --action REDIRECT_TO_POOL --redirect-pool blue web")
        rule = await ask(
            "loadbalancer l7rule create --type PATH --compare-type STARTS_WITH --value /blue --wait to-blue"
        )
        self.assertEqual((rule["provisioning_status"], rule["invert"]), ("ACTIVE", False))
        address = (await self.settled("shop"))["vip_address"]
        self.assertEqual(set(await self.visitors(address, 8080)), {"red"})
        self.assertEqual(set(await self.visitors(address, 8080, path="blue/shoes")), {"blue"})
        await do("loadbalancer l7policy create --name first --action REJECT --position 1 --disable web")
        listed = await ask("loadbalancer l7policy list")
        self.assertEqual({p["name"]: p["position"] for p in listed}, {"first": 1, "to-blue": 2})
        await do(f"loadbalancer l7rule set --value /azure --wait to-blue {rule['id']}")
        self.assertEqual(set(await self.visitors(address, 8080, path="blue")), {"red"})
        self.assertEqual(set(await self.visitors(address, 8080, path="azure")), {"blue"})
        self.assertEqual((await ask(f"loadbalancer l7rule show to-blue {rule['id']}"))["value"], "/azure")
        await do(f"loadbalancer l7rule delete --wait to-blue {rule['id']}")
        await do("loadbalancer l7policy set --name last --wait to-blue")
        await do("loadbalancer l7policy delete --wait last")
        self.assertEqual(names(await ask("loadbalancer l7policy list")), ["first"])
