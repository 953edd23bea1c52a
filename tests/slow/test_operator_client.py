"""An operator's long life with C{openstack loadbalancer}: capacity, limits, machines, other people's load balancers."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from tests.journey.client import NOOP, ClientCase
from tests.journey.test_operator_client import ServingCase


class CatalogueTests(ClientCase):
    """Flavors and availability zones, which need no amphora to be described."""

    settings = NOOP

    async def test_providers_and_what_they_can_are_listed(self) -> None:
        await self.begin()
        ask = self.openstack.ask
        self.assertEqual({p["name"] for p in await ask("loadbalancer provider list")}, {"amphora", "octavia"})
        listed = await ask("loadbalancer provider capability list amphora")
        capabilities = {(each["type"], each["name"]) for each in listed}
        self.assertIn(("flavor", "loadbalancer_topology"), capabilities)
        self.assertIn(("availability_zone", "compute_zone"), capabilities)
        only = await ask("loadbalancer provider capability list --flavor amphora")
        self.assertEqual({each["type"] for each in only}, {"flavor"})

    async def test_a_flavor_is_described_used_and_withdrawn(self) -> None:
        await self.begin()
        do, ask, refused = self.openstack.do, self.openstack.ask, self.openstack.refused
        data = json.dumps({"loadbalancer_topology": "SINGLE"})
        profile = await ask(f"loadbalancer flavorprofile create --name one --provider amphora --flavor-data '{data}'")
        self.assertEqual(json.loads(profile["flavor_data"]), {"loadbalancer_topology": "SINGLE"})
        flavor = await ask("loadbalancer flavor create --name small --flavorprofile one --description Little --enable")
        self.assertEqual((flavor["flavor_profile_id"], flavor["enabled"]), (profile["id"], True))
        made = await ask(f"loadbalancer create --name x --vip-subnet-id {uuid4()} --flavor small --wait")
        self.assertEqual(made["flavor_id"], flavor["id"])
        self.assertEqual([x["name"] for x in await ask("loadbalancer list --flavor small")], ["x"])
        await do("loadbalancer flavor set --name tiny --disable small")
        self.assertEqual((await ask("loadbalancer flavor show tiny"))["enabled"], False)
        await refused(f"loadbalancer create --name y --vip-subnet-id {uuid4()} --flavor tiny")
        await refused("loadbalancer flavor delete tiny")
        await refused("loadbalancer flavorprofile delete one")
        await do("loadbalancer delete --wait x")
        await do("loadbalancer flavor delete tiny")
        await do("loadbalancer flavorprofile delete one")
        self.assertEqual(await ask("loadbalancer flavor list"), [])
        self.assertEqual(await ask("loadbalancer flavorprofile list"), [])

    async def test_a_flavor_that_no_provider_knows_is_refused(self) -> None:
        await self.begin()
        create = "loadbalancer flavorprofile create --name bad --provider"
        self.assertIn("colour", await self.openstack.refused(f"{create} amphora --flavor-data '{{\"colour\": 1}}'"))
        await self.openstack.refused(f"{create} amphora --flavor-data 'no JSON'")
        await self.openstack.refused(f"{create} nobody --flavor-data '{{}}'")

    async def test_an_availability_zone_is_described_used_and_withdrawn(self) -> None:
        await self.begin()
        do, ask = self.openstack.do, self.openstack.ask
        data = json.dumps({"compute_zone": "rack-1"})
        profile = await ask(
            f"loadbalancer availabilityzoneprofile create --name p --provider amphora --availability-zone-data '{data}'"
        )
        zone = await ask("loadbalancer availabilityzone create --name north --availabilityzoneprofile p")
        self.assertEqual((zone["availability_zone_profile_id"], zone["enabled"]), (profile["id"], True))
        made = await ask(f"loadbalancer create --name x --vip-subnet-id {uuid4()} --availability-zone north --wait")
        self.assertEqual(made["availability_zone"], "north")
        await do("loadbalancer availabilityzone set --description 'The north' --disable north")
        shown = await ask("loadbalancer availabilityzone show north")
        self.assertEqual((shown["description"], shown["enabled"]), ("The north", False))
        await do("loadbalancer delete --wait x")
        await do("loadbalancer availabilityzone delete north")
        await do("loadbalancer availabilityzoneprofile delete p")
        self.assertEqual(await ask("loadbalancer availabilityzone list"), [])
        self.assertEqual(await ask("loadbalancer availabilityzoneprofile list"), [])


class TenantsTests(ClientCase):
    """Other people's load balancers, and how many they may have."""

    settings = NOOP

    async def test_another_tenants_load_balancers_are_made_listed_and_deleted(self) -> None:
        await self.begin()
        do, ask = self.openstack.do, self.openstack.ask
        for project in ("shop", "bank"):
            made = await ask(f"loadbalancer create --name of-{project} --project {project} --vip-subnet-id {uuid4()}")
            self.assertEqual(made["project_id"], project)
        self.assertEqual([x["name"] for x in await ask("loadbalancer list --project shop")], ["of-shop"])
        self.assertEqual(len(await ask("loadbalancer list")), 2)
        await do("loadbalancer delete --wait of-shop")
        self.assertEqual([x["name"] for x in await ask("loadbalancer list")], ["of-bank"])

    async def test_quotas_are_shown_set_met_and_reset(self) -> None:
        await self.begin()
        do, ask = self.openstack.do, self.openstack.ask
        defaults = await ask("loadbalancer quota defaults show")
        self.assertEqual(await ask("loadbalancer quota show shop"), defaults)
        changed: dict[str, Any] = await ask("loadbalancer quota set --loadbalancer 1 --healthmonitor 7 shop")
        self.assertEqual((changed["load_balancer"], changed["health_monitor"]), (1, 7))
        self.assertEqual([q["project_id"] for q in await ask("loadbalancer quota list")], ["shop"])
        create = f"loadbalancer create --vip-subnet-id {uuid4()} --project shop"
        await do(f"{create} --name first")
        said = await self.openstack.refused(f"{create} --name second")
        self.assertIn("Quota has been met", said)
        self.assertIn("403", said)
        await do("loadbalancer quota unset --loadbalancer shop")
        self.assertEqual((await ask("loadbalancer quota show shop"))["load_balancer"], defaults["load_balancer"])
        await do(f"{create} --name second")
        await do("loadbalancer quota reset shop")
        self.assertEqual(await ask("loadbalancer quota show shop"), defaults)


class MachineTests(ServingCase):
    """Amphorae, while users visit what they serve."""

    async def test_amphorae_are_listed_and_shown(self) -> None:
        await self.serving()
        ask = self.openstack.ask
        (found,) = await ask("loadbalancer amphora list --loadbalancer lb --long")
        self.assertEqual((found["status"], found["role"]), ("ALLOCATED", "STANDALONE"))
        self.assertEqual(await ask("loadbalancer amphora list --status ERROR"), [])
        shown = await ask(f"loadbalancer amphora show {found['id']}")
        self.assertEqual((shown["id"], shown["lb_network_ip"]), (found["id"], found["lb_network_ip"]))
        self.assertIn("cert_expiration", shown)
        await self.openstack.do(f"loadbalancer amphora configure --wait {found['id']}")
        self.assertIn("404", await self.openstack.refused(f"loadbalancer amphora show {uuid4()}"))

    async def test_an_amphora_fails_over_and_users_are_served_again(self) -> None:
        address = await self.serving()
        (before,) = await self.openstack.ask("loadbalancer amphora list")
        await self.openstack.do(f"loadbalancer amphora failover --wait {before['id']}")
        await self.openstack.until_replaced(before["id"])
        self.assertEqual(set(await self.visitors(address, 8080)), {"red"})
