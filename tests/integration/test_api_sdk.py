"""OpenStack's own SDK as the judge of the API's shapes."""

from __future__ import annotations

from typing import Any

import openstack
from twisted.internet.threads import deferToThread

from tests.integration.api import SUBNET, ApiCase


def life(endpoint: str) -> dict[str, Any]:
    """A load balancer's life as a user of the SDK lives it; blocks."""
    with openstack.connect(auth_type="none", endpoint=endpoint, load_balancer_endpoint_override=endpoint) as cloud:
        service = cloud.load_balancer
        balancer = service.create_load_balancer(name="sdk", vip_subnet_id=SUBNET, vip_address="192.0.2.10")
        listener = service.create_listener(load_balancer_id=balancer.id, protocol="HTTP", protocol_port=80)
        pool = service.create_pool(listener_id=listener.id, protocol="HTTP", lb_algorithm="ROUND_ROBIN")
        member = service.create_member(pool, address="192.0.2.20", protocol_port=80, weight=5)
        check = {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1}
        monitor = service.create_health_monitor(pool_id=pool.id, **check)
        seen = {
            "found": service.find_load_balancer("sdk").id == balancer.id,
            "listeners": [x.id == listener.id for x in service.listeners(load_balancer_id=balancer.id)],
            "pools": [x.id == pool.id for x in service.pools(loadbalancer_id=balancer.id)],
            "members": [x.id == member.id for x in service.members(pool)],
            "monitors": [x.id == monitor.id for x in service.health_monitors(pool_id=pool.id)],
            "weight": service.update_member(member, pool, weight=7).weight,
            "bytes": service.get_load_balancer_statistics(balancer.id).bytes_in,
            "name": service.update_load_balancer(balancer, name="changed").name,
            "providers": [x.name for x in service.providers()],
        }
        service.delete_member(member, pool)
        service.delete_load_balancer(balancer, cascade=True)
        seen["status"] = service.get_load_balancer(balancer.id).provisioning_status
        return seen


def offers(endpoint: str) -> dict[str, Any]:
    """What an operator offers, and a tenant finds; blocks."""
    with openstack.connect(auth_type="none", endpoint=endpoint, load_balancer_endpoint_override=endpoint) as cloud:
        service = cloud.load_balancer
        data = '{"loadbalancer_topology": "SINGLE"}'
        profile = service.create_flavor_profile(name="p", provider_name="amphora", flavor_data=data)
        flavors = [service.create_flavor(name=name, flavor_profile_id=profile.id) for name in "abc"]
        meaning = {"name": "zp", "provider_name": "amphora", "availability_zone_data": '{"compute_zone": "nova"}'}
        zone_profile = service.create_availability_zone_profile(**meaning)
        for name in "xyz":
            service.create_availability_zone(name=name, availability_zone_profile_id=zone_profile.id)
        balancer = service.create_load_balancer(vip_subnet_id=SUBNET, flavor_id=flavors[0].id, availability_zone="x")
        seen = {
            "flavors": sorted(x.name for x in service.flavors(limit=1)),
            "zones": [x.name for x in service.availability_zones()],
            "profiles": [x.name for x in service.flavor_profiles(limit=1)],
            "zone_profiles": [x.name for x in service.availability_zone_profiles(limit=1)],
            "found": (service.find_flavor("b").id == flavors[1].id, service.find_availability_zone("y").name),
            "profile": service.get_flavor_profile(profile).flavor_data,
            "enabled": service.update_flavor(flavors[1], enabled=False).is_enabled,
            "zone": service.update_availability_zone("y", description="new").description,
            "chosen": (balancer.flavor_id == flavors[0].id, balancer.availability_zone),
            "capabilities": [x.name for x in service.provider_flavor_capabilities("amphora")][:2],
        }
        service.delete_flavor(flavors[1])
        service.delete_availability_zone("y")
        seen["left"] = sorted(x.name for x in service.flavors()), [x.name for x in service.availability_zones()]
        return seen


class SdkTests(ApiCase):
    """openstacksdk, without authentication."""

    async def test_a_user_of_the_sdk_finds_what_it_expects(self) -> None:
        self.assertEqual(
            await deferToThread(life, self.base),
            {
                "found": True,
                "listeners": [True],
                "pools": [True],
                "members": [True],
                "monitors": [True],
                "weight": 7,
                "bytes": 0,
                "name": "changed",
                "providers": ["amphora", "octavia"],
                "status": "PENDING_DELETE",
            },
        )

    async def test_an_operator_of_the_sdk_offers_what_tenants_find(self) -> None:
        self.assertEqual(
            await deferToThread(offers, self.base),
            {
                "flavors": ["a", "b", "c"],
                "zones": ["x", "y", "z"],
                "profiles": ["p"],
                "zone_profiles": ["zp"],
                "found": (True, "y"),
                "profile": '{"loadbalancer_topology": "SINGLE"}',
                "enabled": False,
                "zone": "new",
                "chosen": (True, "x"),
                "capabilities": ["loadbalancer_topology", "compute_flavor"],
                "left": (["a", "c"], ["x", "z"]),
            },
        )
