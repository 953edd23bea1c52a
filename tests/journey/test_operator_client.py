"""An operator's life with C{openstack loadbalancer}; more of it is in L{tests.slow}."""

from __future__ import annotations

from tests.journey.client import ClientCase


class ServingCase(ClientCase):
    """Has a load balancer that users visit."""

    async def serving(self) -> str:
        """A load balancer with one member; gives the VIP's address."""
        await self.begin("red")
        created = await self.create_load_balancer(red=self.system.members["red"])
        return str((await self.until_active(created["id"]))["vip_address"])


class MachineTests(ServingCase):
    """Amphorae, while users visit what they serve."""

    async def test_a_load_balancer_fails_over_and_users_are_served_again(self) -> None:
        address = await self.serving()
        (before,) = await self.openstack.ask("loadbalancer amphora list")
        await self.openstack.do("loadbalancer failover --wait lb")
        await self.openstack.until_replaced(before["id"])
        self.assertEqual(set(await self.visitors(address, 8080)), {"red"})
