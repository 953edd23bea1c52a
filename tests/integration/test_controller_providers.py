"""Load balancers of a provider that brings its own machines: what a controller does for them."""

from __future__ import annotations

from attrs import evolve

from octavia_tx.db import load_balancers
from octavia_tx.errors import DriverError, IncompatibleConfiguration
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.statuses import ProvisioningStatus
from octavia_tx.testing.cloud import Fault
from tests.controller.world import HASTY, World
from tests.integration.test_controller_convergence import ConvergenceCase


class ForeignProvider(ConvergenceCase):
    """No amphora; an address, and what the provider makes of it."""

    async def assert_provided(self, world: World, id: str) -> LoadBalancer:
        """Active at its newest revision, which the provider has, and no machine anywhere."""
        shown = await world.show(id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ACTIVE)
        self.assertEqual(shown.applied_revision, shown.revision)
        provided = world.provider.provided[id]
        self.assertEqual(provided.load_balancer.revision, shown.revision)
        self.assertEqual(provided.load_balancer.vip_address, world.network.vips[id].address)
        self.assertEqual(len(provided.listeners), 1)
        self.assertEqual((await world.rows(), world.compute.made), ((), []))
        return shown

    async def test_it_is_provided_changed_and_withdrawn_without_an_amphora(self) -> None:
        world = self.world()
        lb = await world.create(provider="memory")
        self.assertEqual(await world.settle(), 1)
        await self.assert_provided(world, lb.id)
        await world.change(lb.id)
        await world.settle()
        await self.assert_provided(world, lb.id)
        await world.delete(lb.id)
        await world.settle()
        await self.assert_nothing(world, lb.id)
        self.assertEqual(world.provider.provided, {})
        self.assertEqual(world.provider.calls, ["provide", "provide", "withdraw"])

    async def test_a_failure_is_tried_again(self) -> None:
        world = self.world()
        world.provider.ahead += [DriverError("The box is rebooting."), DriverError("The box is rebooting.")]
        lb = await world.create(provider="memory")
        self.assertEqual(await world.settle(), 3)
        await self.assert_provided(world, lb.id)

    async def test_what_can_never_be_is_told_at_once(self) -> None:
        world = self.world(settings=evolve(HASTY, slow_retry=60.0))
        world.provider.ahead.append(IncompatibleConfiguration("Two listeners are one too many."))
        lb = await world.create(provider="memory")
        await world.settle()
        shown = await world.show(lb.id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ERROR)
        self.assertIn("Step 'provide': Two listeners are one too many.", shown.error or "")
        await world.change(lb.id)
        await world.settle()
        await self.assert_provided(world, lb.id)

    async def test_one_that_is_not_enabled_any_more_is_waited_for_and_told(self) -> None:
        world = self.world(settings=evolve(HASTY, give_up_after=0.0))
        lb = await world.create(provider="gone")
        await world.live()
        shown = await world.show(lb.id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ERROR)
        self.assertIn("Provider 'gone' isn't enabled. Enabled: amphora, memory, octavia.", shown.error or "")
        await world.delete(lb.id)
        await world.live()
        self.assertIsNotNone(await world.show(lb.id), "forgotten, though its provider has it still")

    async def test_the_alias_of_amphora_gets_an_amphora(self) -> None:
        world = self.world()
        lb = await world.create(provider="octavia")
        await world.settle()
        await self.assert_served(world, lb.id)

    async def test_a_change_while_it_is_provided_is_provided_next(self) -> None:
        world = self.world()
        lb = await world.create(provider="memory")
        async with self.database.transaction() as tx:
            await load_balancers.change(tx, lb.id)
        await world.settle()
        await self.assert_provided(world, lb.id)

    async def test_its_life_survives_every_fault_at_every_point(self) -> None:
        async def course(world: World) -> None:
            lb = await world.create(provider="memory")
            await world.settle()
            await self.assert_provided(world, lb.id)
            await world.delete(lb.id)
            await world.settle()
            await self.assert_nothing(world, lb.id)
            self.assertEqual(world.provider.provided, {})

        world = self.world()
        await course(world)
        points = len(world.faults.passed)
        for fault in Fault:
            for point in range(points):
                world = self.world({point: fault})
                await course(world)
                await self.clear()
