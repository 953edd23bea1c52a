"""Load balancers of a provider that brings its own machines: what a controller does for them."""

from __future__ import annotations

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred

from octavia_tx.db import convergences, load_balancers
from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import DriverError, IncompatibleConfiguration
from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.statuses import ProvisioningStatus
from octavia_tx.model.tree import Tree
from octavia_tx.testing.cloud import Fault
from octavia_tx.testing.provider import MemoryProvider
from tests.controller.world import HASTY, World
from tests.integration.test_controller_convergence import ConvergenceCase


class HangingProvider(MemoryProvider):
    """It provides nothing when it is asked for the first time, and doesn't say so."""

    def __init__(self) -> None:
        super().__init__()
        self.hung: Deferred[None] = Deferred()

    async def provide(self, tree: Tree, terms: Terms) -> None:
        if not self.hung.called:
            await self.hung
        await super().provide(tree, terms)


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

    async def test_one_that_hangs_is_given_up_and_tried_again(self) -> None:
        world = self.world()
        world.provider = hanging = HangingProvider()
        providers = Providers((AmphoraProvider(), hanging), reactor, patience=0.05)
        world.means = evolve(world.means, providers=providers)
        lb = await world.create(provider="memory")
        await world.live()
        self.assertTrue(hanging.hung.called)
        await self.failed(lb.id, "Provider 'memory' reports error: it gave no answer within 0.05 seconds.")
        await world.settle()
        await self.assert_provided(world, lb.id)

    async def test_whatever_it_raises_is_a_failure_that_is_told(self) -> None:
        world = self.world()
        for error in (SystemExit(), DriverError("a\0b\ud800"), CancelledError()):
            world.provider.ahead.append(error)
            lb = await world.create(provider="memory")
            await world.live()
            await self.failed(lb.id, "Provider 'memory' reports error: ")
            await world.settle()
            await self.assert_provided(world, lb.id)
            await world.delete(lb.id)
            await world.settle()
        self.flushLoggedErrors(SystemExit, RuntimeError)

    async def failed(self, id: str, sentence: str) -> None:
        """One attempt to provide has, for this reason, as operators see it."""
        async with self.database.transaction() as tx:
            shown = await convergences.rows.get(tx, id)
        assert shown is not None
        self.assertEqual((shown.step, shown.attempts), ("provide", 1))
        self.assertIn(sentence, shown.last_error or "")

    async def test_what_can_never_be_is_told_at_once(self) -> None:
        world = self.world(settings=evolve(HASTY, slow_retry=60.0))
        world.provider.ahead.append(IncompatibleConfiguration("Two listeners are one too many."))
        lb = await world.create(provider="memory")
        await world.settle()
        shown = await world.show(lb.id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ERROR)
        refused = (
            "Step 'provide': Provider 'memory' does not support a requested option: Two listeners are one too many."
        )
        self.assertIn(refused, shown.error or "")
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
