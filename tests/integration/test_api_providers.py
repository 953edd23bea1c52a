"""What a load balancer's provider, flavor and availability zone decide, over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from twisted.internet import reactor

from octavia_tx.db import load_balancers
from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import CloudError, DriverError, IncompatibleConfiguration, OutOfResources
from octavia_tx.model.flavor import Terms
from octavia_tx.model.statuses import Topology
from octavia_tx.model.tree import Tree
from tests.integration.api import NETWORK, SUBNET, UNKNOWN, new_id
from tests.integration.test_api_flavors import OfferCase

FAST = {"memory": "fast"}


class ChoiceTests(OfferCase):
    """Provider, flavor and zone of a new load balancer."""

    async def create(self, status: int, **fields: Any) -> Any:
        """Ask for a load balancer: what is made, or the sentence of the refusal."""
        reply = await self.ask("POST", "loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET, **fields}})
        self.assertEqual(reply.status, status, reply)
        return reply.body["loadbalancer"] if status == 201 else reply.sentence

    async def nothing_is_there(self) -> None:
        self.assertEqual((await self.ask("GET", "loadbalancers")).body["loadbalancers"], [])

    async def test_its_flavor_brings_its_provider(self) -> None:
        flavor = await self.flavor(await self.profile(provider_name="memory", data=FAST))
        made = await self.create(201, flavor_id=flavor["id"])
        self.assertEqual((made["provider"], made["flavor_id"]), ("memory", flavor["id"]))
        self.assertEqual(self.memory.judged, [Terms(FAST)])
        named = await self.create(201, flavor_id=flavor["id"], provider="memory")
        self.assertEqual(named["provider"], "memory")
        self.assertEqual((await self.create(201))["provider"], "amphora")

    async def test_its_zone_brings_its_provider_where_no_flavor_does(self) -> None:
        zone = await self.zone(await self.zone_profile(provider_name="memory", data={"bank": 3}))
        made = await self.create(201, availability_zone=zone["name"])
        self.assertEqual((made["provider"], made["availability_zone"]), ("memory", "z"))
        self.assertEqual(self.memory.judged, [Terms({}, {"bank": 3})])
        flavor = await self.flavor(await self.profile(provider_name="memory", data=FAST))
        await self.create(201, availability_zone="z", flavor_id=flavor["id"])
        self.assertEqual(self.memory.judged[1:], [Terms(FAST, {"bank": 3})])

    async def test_what_belongs_to_another_provider_is_refused(self) -> None:
        flavor = await self.flavor(await self.profile(provider_name="memory", data=FAST))
        await self.zone(await self.zone_profile())
        for fields, word in (
            ({"provider": "amphora", "flavor_id": flavor["id"]}, "loadbalancer.flavor_id"),
            ({"provider": "octavia", "flavor_id": flavor["id"]}, "loadbalancer.flavor_id"),
            ({"provider": "memory", "availability_zone": "z"}, "loadbalancer.availability_zone"),
            ({"flavor_id": flavor["id"], "availability_zone": "z"}, "loadbalancer.availability_zone"),
            ({"provider": "f5"}, "loadbalancer.provider"),
        ):
            self.assertIn(word, await self.create(400, **fields))
        await self.nothing_is_there()

    async def test_the_alias_and_amphora_are_one_provider(self) -> None:
        for at, (of_flavor, named) in enumerate((("amphora", "octavia"), ("octavia", "amphora"), ("octavia", None))):
            flavor = await self.flavor(await self.profile(name=f"p{at}", provider_name=of_flavor), name=f"f{at}")
            made = await self.create(201, flavor_id=flavor["id"], provider=named)
            self.assertEqual(made["provider"], named or of_flavor)

    async def test_one_that_is_not_there_or_disabled_is_refused(self) -> None:
        flavor = await self.flavor(await self.profile(), enabled=False)
        await self.zone(await self.zone_profile(), enabled=False)
        for fields, words in (
            ({"flavor_id": UNKNOWN}, ("loadbalancer.flavor_id", "not found")),
            ({"flavor_id": flavor["id"]}, ("loadbalancer.flavor_id", "enabled")),
            ({"flavor_id": "fish"}, ("loadbalancer.flavor_id",)),
            ({"availability_zone": "nowhere"}, ("loadbalancer.availability_zone", "not found")),
            ({"availability_zone": ""}, ("loadbalancer.availability_zone", "not found")),
            ({"availability_zone": "z"}, ("loadbalancer.availability_zone", "enabled")),
        ):
            sentence = await self.create(400, **fields)
            for word in words:
                self.assertIn(word, sentence)
        await self.nothing_is_there()

    async def test_one_that_is_disabled_later_keeps_its_load_balancers(self) -> None:
        flavor = await self.flavor(await self.profile(provider_name="memory", data=FAST))
        made = await self.create(201, flavor_id=flavor["id"])
        self.assertEqual((await self.ask("PUT", f"flavors/{flavor['id']}", {"flavor": {"enabled": False}})).status, 200)
        await self.listener(made["id"])
        self.assertEqual(self.memory.judged, [Terms(FAST)] * 2)

    async def test_pairs_are_refused_where_compute_makes_none(self) -> None:
        flavor = await self.flavor(await self.profile(data={"loadbalancer_topology": "ACTIVE_STANDBY"}))
        sentence = await self.create(501, flavor_id=flavor["id"])
        self.assertIn("Provider 'amphora' does not support a requested option: loadbalancer.flavor_id", sentence)
        self.assertIn("loadbalancer_topology is ACTIVE_STANDBY", sentence)
        await self.nothing_is_there()

    async def test_a_zone_says_on_which_networks_vips_may_be(self) -> None:
        await self.zone(await self.zone_profile(data={"valid_vip_networks": [NETWORK.upper()]}))
        await self.zone(await self.zone_profile(name="q", data={"valid_vip_networks": [UNKNOWN]}), name="elsewhere")
        self.assertEqual((await self.create(201, availability_zone="z"))["vip_network_id"], NETWORK)
        sentence = await self.create(400, availability_zone="elsewhere")
        self.assertIn("loadbalancer.vip_network_id", sentence)
        self.assertIn(UNKNOWN, sentence)
        port_alone = {"vip_subnet_id": None, "vip_port_id": new_id(), "availability_zone": "z"}
        self.assertIn("loadbalancer.vip_network_id", await self.create(400, **port_alone))

    async def test_lists_are_filtered_by_flavor_and_zone(self) -> None:
        flavor = await self.flavor(await self.profile())
        await self.zone(await self.zone_profile())
        made = await self.create(201, flavor_id=flavor["id"], availability_zone="z")
        await self.create(201)
        for query in (f"flavor_id={flavor['id']}", "availability_zone=z"):
            found = (await self.ask("GET", f"loadbalancers?{query}")).body["loadbalancers"]
            self.assertEqual([each["id"] for each in found], [made["id"]])


class AcceptingTests(OfferCase):
    """Amphorae that don't exist can be anything."""

    def providers(self) -> Providers:
        return Providers((AmphoraProvider(accept_all=True),), reactor)

    async def test_the_topology_is_the_flavors(self) -> None:
        flavor = await self.flavor(await self.profile(data={"loadbalancer_topology": "ACTIVE_STANDBY"}))
        made = await self.load_balancer(flavor_id=flavor["id"])
        async with self.database.transaction() as tx:
            found = await load_balancers.get(tx, made["id"])
        assert found is not None
        self.assertIs(found.topology, Topology.ACTIVE_STANDBY)


class RefusalTests(OfferCase):
    """What a provider raises is told, and nothing is written."""

    async def test_each_kind_of_refusal_has_its_status_and_leaves_nothing(self) -> None:
        made = await self.load_balancer(provider="memory")
        for error, status, told in (
            (IncompatibleConfiguration("no."), 501, "Provider 'memory' does not support a requested option: no."),
            (OutOfResources("no."), 503, "Provider 'memory' has no room for this now: no."),
            (DriverError("no."), 500, "Provider 'memory' reports error: no."),
            (CloudError("The box is rebooting."), 503, "The box is rebooting."),
            (ZeroDivisionError("secret"), 500, "Provider 'memory' reports error: it broke; the log has the details."),
        ):
            for path, body in (
                ("loadbalancers", {"loadbalancer": {"vip_subnet_id": SUBNET, "provider": "memory"}}),
                ("listeners", {"listener": {"loadbalancer_id": made["id"], "protocol": "HTTP", "protocol_port": 80}}),
            ):
                self.memory.ahead.append(error)
                self.assertEqual(await self.refused(status, "POST", path, body), told)
            self.memory.ahead.append(error)
            change = {"loadbalancer": {"name": "new"}}
            self.assertEqual(await self.refused(status, "PUT", f"loadbalancers/{made['id']}", change), told)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 3)
        self.assertEqual((await self.ask("GET", "listeners")).body["listeners"], [])
        self.assertEqual(await self.shown(f"loadbalancers/{made['id']}"), made)
        self.assertEqual(len((await self.ask("GET", "loadbalancers")).body["loadbalancers"]), 1)

    async def test_a_deed_that_is_no_exception_is_answered_too(self) -> None:
        for error in (asyncio.CancelledError(), SystemExit()):
            self.memory.ahead.append(error)
            body = {"loadbalancer": {"vip_subnet_id": SUBNET, "provider": "memory"}}
            self.assertIn("it broke", await self.refused(500, "POST", "loadbalancers", body))
            self.assertEqual(len(self.flushLoggedErrors(type(error))), 1)

    async def test_an_answer_that_cannot_be_stored_is_told_and_leaves_nothing(self) -> None:
        made = await self.load_balancer(provider="memory")
        for reason in ("no\0", "\ud800", "x" * 1001, 7):
            self.memory.misses = lambda tree, terms, told=reason: {tree.load_balancer.id: told}
            body = {"loadbalancer": {"vip_subnet_id": SUBNET, "provider": "memory"}}
            sentence = await self.refused(500, "POST", "loadbalancers", body)
            self.assertTrue(sentence.startswith("Provider 'memory' reports error: its check says of "), sentence)
            change = {"loadbalancer": {"name": "new"}}
            self.assertIn("'memory'", await self.refused(500, "PUT", f"loadbalancers/{made['id']}", change))
        self.memory.misses = lambda tree, terms: {new_id(): "It isn't there."}
        change = {"listener": {"loadbalancer_id": made["id"], "protocol": "HTTP", "protocol_port": 80}}
        self.assertIn("isn't among", await self.refused(500, "POST", "listeners", change))
        self.assertEqual((await self.ask("GET", "loadbalancers")).body["loadbalancers"], [made])
        self.assertEqual((await self.ask("GET", "listeners")).body["listeners"], [])

    async def test_one_that_fails_keeps_nothing_from_going(self) -> None:
        made = await self.load_balancer(provider="memory")
        pool, other = await self.pool(made["id"]), await self.pool(made["id"])
        listener = await self.listener(made["id"], default_pool_id=pool["id"])
        await self.listener(made["id"], default_pool_id=other["id"], protocol_port=81)
        for path, error in (
            (f"pools/{other['id']}", CloudError("no.")),
            (f"pools/{pool['id']}", DriverError("no.")),
            (f"listeners/{listener['id']}", DriverError("no.")),
            (f"loadbalancers/{made['id']}?cascade=true", DriverError("no.")),
        ):
            self.memory.ahead[:] = [error]
            self.assertEqual((await self.ask("DELETE", path)).status, 204, path)


class IncompleteTests(OfferCase):
    """What a provider misses something of is stored, isn't served, and says why."""

    async def _prepare(self) -> None:
        await super()._prepare()

        def misses(tree: Tree, terms: Terms) -> Mapping[str, str]:
            found = {item.id: "It has no pool." for item in tree.listeners if item.default_pool_id is None}
            if tree.load_balancer.description == "":
                found[tree.load_balancer.id] = "It isn't described."
            return found

        self.memory.misses = misses

    async def statuses(self, load_balancer_id: str) -> dict[str, Any]:
        tree = await self.shown(f"loadbalancers/{load_balancer_id}/statuses")
        return tree["loadbalancer"]  # type: ignore[no-any-return]

    async def served(self, load_balancer_id: str) -> tuple[int, int]:
        """How many listeners and pools are to be served."""
        async with self.database.transaction() as tx:
            tree = await load_balancers.tree(tx, load_balancer_id)
        assert tree is not None
        living = tree.living()
        return len(living.listeners), len(living.pools)

    async def test_a_change_completes_it(self) -> None:
        made = await self.load_balancer(provider="memory", description="d")
        listener = await self.listener(made["id"])
        pool = await self.pool(made["id"])
        self.assertEqual(listener["operating_status"], "OFFLINE")
        await self.apply(made["id"])
        tree = await self.statuses(made["id"])
        self.assertNotIn("reason", tree)
        (shown,) = tree["listeners"]
        self.assertEqual(
            (shown["reason"], shown["operating_status"], shown["provisioning_status"]),
            ("It has no pool.", "OFFLINE", "ACTIVE"),
        )
        self.assertEqual(await self.served(made["id"]), (0, 1))
        change = {"listener": {"default_pool_id": pool["id"]}}
        self.assertEqual((await self.ask("PUT", f"listeners/{listener['id']}", change)).status, 200)
        (shown,) = (await self.statuses(made["id"]))["listeners"]
        self.assertNotIn("reason", shown)
        self.assertNotIn("reason", shown["pools"][0])
        self.assertEqual(await self.served(made["id"]), (1, 1))

    async def test_a_change_makes_what_was_served_incomplete(self) -> None:
        made = await self.load_balancer(provider="memory", description="d")
        pool = await self.pool(made["id"])
        listener = await self.listener(made["id"], default_pool_id=pool["id"])
        await self.apply(made["id"])
        async with self.database.transaction() as tx:
            await tx.execute("operating.listener", ids=[listener["id"]], statuses=["ONLINE"])
        changed = await self.ask("PUT", f"listeners/{listener['id']}", {"listener": {"default_pool_id": None}})
        self.assertEqual(changed.body["listener"]["operating_status"], "OFFLINE")
        (shown,) = (await self.statuses(made["id"]))["listeners"]
        self.assertEqual((shown["reason"], shown["operating_status"]), ("It has no pool.", "OFFLINE"))

    async def test_a_load_balancer_too(self) -> None:
        made = await self.load_balancer(provider="memory")
        pool = await self.pool(made["id"])
        await self.listener(made["id"], default_pool_id=pool["id"])
        await self.apply(made["id"])
        tree = await self.statuses(made["id"])
        self.assertEqual((tree["reason"], tree["operating_status"]), ("It isn't described.", "OFFLINE"))
        self.assertEqual(await self.served(made["id"]), (0, 0))
        self.assertEqual((await self.ask("DELETE", f"pools/{pool['id']}")).status, 204)
        self.assertIn("reason", await self.statuses(made["id"]), "what goes completes nothing")
        change = {"loadbalancer": {"description": "d"}}
        self.assertEqual((await self.ask("PUT", f"loadbalancers/{made['id']}", change)).status, 200)
        self.assertNotIn("reason", await self.statuses(made["id"]))
        change = {"loadbalancer": {"description": ""}}
        self.assertEqual((await self.ask("PUT", f"loadbalancers/{made['id']}", change)).status, 200)
        self.assertIn("reason", await self.statuses(made["id"]))

    async def test_a_whole_tree_too(self) -> None:
        made = await self.load_balancer(
            provider="memory", description="d", listeners=[{"protocol": "HTTP", "protocol_port": 80}]
        )
        (shown,) = (await self.statuses(made["id"]))["listeners"]
        self.assertEqual(shown["reason"], "It has no pool.")
