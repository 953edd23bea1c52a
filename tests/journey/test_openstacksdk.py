"""A tenant's life as a program lives it, with openstacksdk; and an operator's."""

from __future__ import annotations

from uuid import uuid4

from openstack import exceptions

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from tests.journey.client import NOOP
from tests.journey.sdk import SdkCase


class TenantTests(SdkCase):
    """Made as a whole, changed and removed."""

    async def test_a_whole_tree_is_made_changed_and_removed(self) -> None:
        await self.begin("red", "blue")
        service = self.service
        made = await self.call(service.create_load_balancer, **self.tree("red"))
        self.assertEqual((len(made.listeners), len(made.pools)), (1, 1))
        address = (await self.waited("shop")).vip_address
        self.assertEqual(set(await self.visitors(address, 8080)), {"red"})
        pool = await self.call(service.find_pool, "backs")
        new = await self.call(
            service.create_member, pool, address="127.0.0.1", protocol_port=self.system.members["blue"], name="blue"
        )
        await self.waited("shop")
        self.assertEqual(set(await self.visitors(address, 8080)), {"red", "blue"})
        changed = await self.call(service.update_member, new, pool, weight=0)
        self.assertEqual(changed.weight, 0)
        await self.waited("shop")
        self.assertEqual(set(await self.visitors(address, 8080)), {"red"})
        monitor = await self.call(service.get_health_monitor, pool.health_monitor_id)
        changed = await self.call(service.update_health_monitor, monitor, url_path="/health", max_retries_down=2)
        self.assertEqual((changed.url_path, changed.max_retries_down), ("/health", 2))
        listener = await self.call(service.find_listener, "web")
        self.assertEqual(listener.default_pool_id, pool.id)
        changed = await self.call(service.update_listener, listener, tags=["front"], timeout_client_data=9000)
        self.assertEqual((changed.tags, changed.timeout_client_data), (["front"], 9000))
        self.assertEqual([x.id for x in await self.call(service.listeners, tags="front")], [listener.id])
        await self.call(service.delete_load_balancer, made, cascade=True)
        gone = await self.call(service.wait_for_delete, made, interval=0.1, wait=60)
        self.assertEqual(gone.id, made.id)
        self.assertIsNone(await self.call(service.find_load_balancer, "shop"))

    async def test_members_are_replaced_in_one_go(self) -> None:
        await self.begin("red", "blue")
        service = self.service
        await self.call(service.create_load_balancer, **self.tree("red"))
        address = (await self.waited("shop")).vip_address
        pool = await self.call(service.find_pool, "backs")
        path = f"/lbaas/pools/{pool.id}/members"
        blue = {"name": "blue", "address": "127.0.0.1", "protocol_port": self.system.members["blue"]}
        for query, expected in (("?additive_only=true", {"red", "blue"}), ("", {"blue"})):
            answer = await self.call(service.put, path + query, json={"members": [blue]})
            self.assertEqual(answer.status_code, 202, answer.text)
            await self.waited("shop")
            self.assertEqual(set(await self.visitors(address, 8080)), expected)
        self.assertEqual([m.name for m in await self.call(service.members, pool)], ["blue"])

    async def test_the_network_is_found_by_name(self) -> None:
        await self.begin()
        found = await self.call(self.cloud.network.find_subnet, "loopback-ipv4", ignore_missing=False)
        self.assertEqual((found.id, found.cidr), (IPV4_SUBNET_ID, "127.0.0.0/8"))
        network = await self.call(self.cloud.network.get_network, found.network_id)
        self.assertIn(IPV4_SUBNET_ID, network.subnet_ids)
        made = await self.call(self.service.create_load_balancer, name="x", vip_network_id=network.id)
        port = await self.call(self.cloud.network.get_port, (await self.waited("x")).vip_port_id)
        self.assertEqual((port.name, port.device_owner), (f"octavia-lb-{made.id}", "Octavia"))
        try:
            await self.call(self.cloud.network.get_subnet, str(uuid4()))
        except exceptions.NotFoundException as error:
            self.assertIn("not found", str(error))
        else:
            self.fail("There is a subnet of any id.")

    async def test_refusals_carry_our_sentence(self) -> None:
        await self.begin()
        try:
            await self.call(self.service.create_load_balancer, name="x" * 256, vip_subnet_id=IPV4_SUBNET_ID)
        except exceptions.BadRequestException as error:
            self.assertIn("loadbalancer.name", str(error))
        else:
            self.fail("A name of 256 characters is accepted.")


class RuleTests(SdkCase):
    """Layer 7."""

    async def test_requests_are_directed_by_rules(self) -> None:
        await self.begin("red", "blue")
        service = self.service
        balancer = await self.call(service.create_load_balancer, **self.tree("red"))
        listener = await self.call(service.find_listener, "web")
        other = {"name": "blue", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN", "loadbalancer_id": balancer.id}
        pool = await self.call(service.create_pool, **other)
        port = self.system.members["blue"]
        await self.call(service.create_member, pool, address="127.0.0.1", protocol_port=port)
        action = {"action": "REDIRECT_TO_POOL", "redirect_pool_id": pool.id}
        policy = await self.call(service.create_l7_policy, listener_id=listener.id, name="p", **action)
        self.assertEqual(policy.position, 1)
        described = {"type": "PATH", "compare_type": "STARTS_WITH", "value": "/blue"}
        rule = await self.call(service.create_l7_rule, policy, **described)
        address = (await self.waited("shop")).vip_address
        self.assertEqual(set(await self.visitors(address, 8080, path="blue")), {"blue"})
        self.assertEqual(set(await self.visitors(address, 8080)), {"red"})
        changed = await self.call(service.update_l7_rule, rule, policy, invert=True)
        self.assertIs(changed.invert, True)
        await self.waited("shop")
        self.assertEqual(set(await self.visitors(address, 8080)), {"blue"})
        self.assertEqual([r.id for r in await self.call(service.l7_rules, policy)], [rule.id])
        self.assertEqual((await self.call(service.get_l7_policy, policy.id)).rules, [{"id": rule.id}])
        await self.call(service.delete_l7_rule, rule, policy)
        await self.call(service.delete_l7_policy, policy)
        await self.waited("shop")
        self.assertEqual(await self.call(service.l7_policies, listener_id=listener.id), [])
        self.assertEqual(set(await self.visitors(address, 8080, path="blue")), {"red"})


class OperatorTests(SdkCase):
    """Amphorae, with traffic."""

    async def test_a_failover_replaces_the_amphora(self) -> None:
        await self.begin("red")
        service = self.service
        made = await self.call(service.create_load_balancer, **self.tree("red"))
        address = (await self.waited("shop")).vip_address
        (before,) = await self.call(service.amphorae, loadbalancer_id=made.id)
        self.assertEqual((before.status, before.role), ("ALLOCATED", "STANDALONE"))
        await self.call(service.failover_load_balancer, made.id)
        await self.waited("shop")
        after = await self.replaced(service, before)
        self.assertEqual(set(await self.visitors(address, 8080)), {"red"})
        self.assertEqual((await self.call(service.get_amphora, after.id)).loadbalancer_id, made.id)
        await self.call(service.configure_amphora, after.id)


class CatalogueTests(SdkCase):
    """Quotas, flavors and zones."""

    settings = NOOP

    async def test_quotas_are_set_met_and_reset(self) -> None:
        await self.begin()
        service = self.service
        default = await self.call(service.get_quota_default)
        changed = await self.call(service.update_quota, "shop", load_balancers=1)
        self.assertEqual(changed.load_balancers, 1)
        self.assertEqual([q.project_id for q in await self.call(service.quotas)], ["shop"])
        create = {"vip_subnet_id": str(uuid4()), "project_id": "shop"}
        await self.call(service.create_load_balancer, **create)
        try:
            await self.call(service.create_load_balancer, **create)
        except exceptions.ForbiddenException as error:
            self.assertIn("Quota has been met", str(error))
        else:
            self.fail("Two load balancers, where one is the limit.")
        await self.call(service.delete_quota, "shop")
        self.assertEqual((await self.call(service.get_quota, "shop")).load_balancers, default.load_balancers)

    async def test_flavors_and_zones_are_described_and_withdrawn(self) -> None:
        await self.begin()
        service = self.service
        profile = {"name": "p", "provider_name": "amphora"}
        flavors = await self.call(
            service.create_flavor_profile, **profile, flavor_data='{"loadbalancer_topology": "SINGLE"}'
        )
        flavor = await self.call(service.create_flavor, name="small", flavor_profile_id=flavors.id, is_enabled=True)
        self.assertEqual((await self.call(service.find_flavor, "small")).id, flavor.id)
        changed = await self.call(service.update_flavor, flavor, description="Little")
        self.assertEqual(changed.description, "Little")
        zones = await self.call(
            service.create_availability_zone_profile, **profile, availability_zone_data='{"compute_zone": "a"}'
        )
        await self.call(service.create_availability_zone, name="north", availability_zone_profile_id=zones.id)
        self.assertEqual([z.name for z in await self.call(service.availability_zones)], ["north"])
        described = {"flavor_id": flavor.id, "availability_zone": "north", "vip_subnet_id": str(uuid4())}
        made = await self.call(service.create_load_balancer, name="x", **described)
        self.assertEqual((made.flavor_id, made.availability_zone), (flavor.id, "north"))
        await self.call(service.delete_load_balancer, made, cascade=True)
        await self.call(service.wait_for_delete, made, interval=0.1, wait=60)
        await self.call(service.delete_availability_zone, "north")
        await self.call(service.delete_availability_zone_profile, zones)
        await self.call(service.delete_flavor, flavor)
        await self.call(service.delete_flavor_profile, flavors)
        for rest in (service.flavors, service.flavor_profiles, service.availability_zones):
            self.assertEqual(await self.call(rest), [])

    async def test_providers_and_what_they_can_are_listed(self) -> None:
        await self.begin()
        service = self.service
        self.assertEqual({p.name for p in await self.call(service.providers)}, {"amphora", "octavia"})
        self.assertEqual([p.name for p in await self.call(service.providers, name="amphora")], ["amphora"])
        found = {each.name for each in await self.call(service.provider_flavor_capabilities, "amphora")}
        self.assertIn("loadbalancer_topology", found)
