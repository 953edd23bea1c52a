"""Failover on demand: one replacement, and somebody serves all the while."""

from __future__ import annotations

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.task import deferLater

from octavia_tx.controller import lifecycle
from octavia_tx.db import amphorae, failover, load_balancers
from octavia_tx.errors import AmphoraUnreachable, BeingDeleted, NotFound
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState, ProvisioningStatus
from octavia_tx.testing.cloud import Fault
from tests.controller.world import HASTY, World
from tests.integration.test_controller_convergence import ConvergenceCase

UNKNOWN = "ffffffff-0000-4000-8000-000000000000"


class FailoverCase(ConvergenceCase):
    """Has helpers to ask for a failover."""

    async def served(self, world: World) -> str:
        """A load balancer that is served; its id."""
        lb = await world.create()
        await world.settle()
        return lb.id

    async def fail_over_amphora(self, id: str) -> None:
        async with self.database.transaction() as tx:
            await failover.of_amphora(tx, id)

    async def states(self, world: World) -> list[AmphoraState]:
        return sorted(row.state for row in await world.rows())


class Asking(FailoverCase):
    """What is written down when somebody asks."""

    async def test_the_amphora_is_to_be_replaced_and_the_load_balancer_pending(self) -> None:
        world = self.world()
        id = await self.served(world)
        (row,) = await world.rows()
        async with self.database.transaction() as tx:
            changed = await failover.of_load_balancer(tx, id)
        self.assertIs(changed.provisioning_status, ProvisioningStatus.PENDING_UPDATE)
        self.assertEqual(changed.revision, 2)
        (after,) = await world.rows()
        self.assertEqual((after.id, after.state), (row.id, lifecycle.rebuilt(row).drain()))
        self.assertIsNotNone(await world.claim())

    async def test_an_amphora_of_a_load_balancer_is_replaced_and_a_spare_retired(self) -> None:
        world = self.world()
        id = await self.served(world)
        (row,) = await world.rows()
        await self.fail_over_amphora(row.id)
        shown = await world.show(id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.PENDING_UPDATE)
        spare = Amphora(id=UNKNOWN, state="READY", created_at=world.means.now())
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, spare)
        await self.fail_over_amphora(spare.id)
        self.assertEqual(await self.states(world), [AmphoraState.DELETING, AmphoraState.DRAINING])

    async def test_one_that_does_not_serve_yet_is_waited_for(self) -> None:
        world = self.world(silent_for=10**9, settings=evolve(HASTY, boot_timeout=0.01, slow_retry=60, first_retry=60))
        lb = await world.create()
        async with self.database.transaction() as tx:
            booting = Amphora(id=UNKNOWN, load_balancer_id=lb.id, state="BOOTING", created_at=world.means.now())
            await amphorae.insert(tx, booting)
            await failover.of_load_balancer(tx, lb.id)
        await self.fail_over_amphora(booting.id)
        self.assertEqual(await self.states(world), [AmphoraState.BOOTING])

    async def test_what_is_not_there_is_not_found(self) -> None:
        for unknown in (UNKNOWN, "no-id", ""):
            for ask in (failover.of_load_balancer, failover.of_amphora):
                with self.assertRaises(NotFound):
                    async with self.database.transaction() as tx:
                        await ask(tx, unknown)

    async def test_what_is_being_deleted_is_left_alone(self) -> None:
        world = self.world()
        id = await self.served(world)
        (row,) = await world.rows()
        await world.delete(id)
        with self.assertRaises(BeingDeleted):
            await world.fail_over(id)
        with self.assertRaises(BeingDeleted):
            await self.fail_over_amphora(row.id)
        self.assertEqual(await self.states(world), [AmphoraState.ALLOCATED])


class Replacing(FailoverCase):
    """What a controller makes of it."""

    async def test_a_new_amphora_serves_before_the_old_one_leaves_off(self) -> None:
        world = self.world()
        id = await self.served(world)
        (old,) = await world.rows()
        await world.fail_over(id)
        passed = len(world.faults.passed)
        self.assertEqual(await world.settle(), 1)
        calls = [name for name in world.faults.passed[passed:] if name != "transaction"]
        self.assertLess(calls.index("amphora.apply"), calls.index("amphora.drain"))
        self.assertLess(calls.index("amphora.drain"), calls.index("compute.destroy"))
        await self.assert_served(world, id)
        self.assertNotIn(old.id, world.compute.machines)
        self.assertEqual((len(world.compute.made), world.amphorae.gaps), (2, 0))

    async def test_asking_again_while_it_is_under_way_makes_no_further_one(self) -> None:
        world = self.world()
        id = await self.served(world)
        await world.fail_over(id)
        await world.fail_over(id)
        apply = world.amphorae.apply

        async def meanwhile(*args: object) -> None:
            world.amphorae.apply = apply  # type: ignore[method-assign]
            await world.fail_over(id)
            await apply(*args)  # type: ignore[arg-type]
            await world.fail_over(id)

        world.amphorae.apply = meanwhile  # type: ignore[method-assign]
        await world.settle()
        await self.assert_served(world, id)
        self.assertEqual(len(world.compute.made), 2)

    async def test_one_failover_after_the_other_makes_one_amphora_each(self) -> None:
        world = self.world()
        id = await self.served(world)
        for count in (2, 3):
            await world.fail_over(id)
            await world.settle()
            await self.assert_served(world, id)
            self.assertEqual(len(world.compute.made), count)

    async def test_the_old_one_is_left_its_connections_and_others_their_turn(self) -> None:
        # So long that no machine is so slow as to find it due again by itself.
        world = self.world(settings=evolve(HASTY, first_look=60.0, longest_look=60.0))
        id = await self.served(world)
        world.amphorae.connections = 12
        await world.fail_over(id)
        await world.live()
        shown = await world.show(id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ACTIVE)
        self.assertEqual(await self.states(world), [AmphoraState.ALLOCATED, AmphoraState.DRAINING])
        self.assertFalse(await world.live(), "it is due at once, and keeps others from their turn")
        while world.amphorae.connections:
            await world.hasten()
            self.assertTrue(await world.live())
        self.assertFalse(await world.live(), "there is more to do than to wait for the connections")
        await self.assert_served(world, id)

    async def until_settled(self, world: World) -> None:
        """What is put off for a moment is due after it."""
        for _ in range(400):
            if not await world.live() and len(await world.rows()) == 1:
                return
            await deferLater(reactor, 0.005)  # type: ignore[arg-type]
        raise AssertionError("It is never settled.")

    async def test_a_change_is_not_kept_waiting_by_the_old_ones_connections(self) -> None:
        world = self.world()
        id = await self.served(world)
        world.amphorae.connections = 10**6
        await world.fail_over(id)
        await world.live()
        await world.change(id)
        await world.live()
        shown = await world.show(id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ACTIVE)
        self.assertEqual(shown.applied_revision, 3)
        self.assertEqual(await self.states(world), [AmphoraState.ALLOCATED, AmphoraState.DRAINING])

    async def test_connections_that_never_end_are_ended(self) -> None:
        world = self.world(settings=evolve(HASTY, drain=0.02))
        id = await self.served(world)
        world.amphorae.connections = 10**6
        await world.fail_over(id)
        await self.until_settled(world)
        await self.assert_served(world, id)

    async def test_one_that_does_not_answer_is_replaced_all_the_same(self) -> None:
        world = self.world(settings=evolve(HASTY, silence=0.02))
        id = await self.served(world)
        drain, (old,) = world.amphorae.drain, await world.rows()

        async def silent(amphora: Amphora, *args: object) -> int:
            if amphora.id == old.id:
                raise AmphoraUnreachable(amphora.id, "it is dead.")
            return await drain(amphora, *args)  # type: ignore[arg-type]

        world.amphorae.drain = silent  # type: ignore[method-assign]
        await world.fail_over(id)
        await self.until_settled(world)
        await self.assert_served(world, id)
        self.assertNotIn(old.id, world.compute.machines)

    async def test_one_whose_machine_is_gone_is_replaced_all_the_same(self) -> None:
        world = self.world(settings=evolve(HASTY, silence=0.0))
        id = await self.served(world)
        world.compute.machines.clear()
        await world.fail_over(id)
        await world.settle()
        await self.assert_served(world, id)

    async def test_as_long_as_there_is_no_new_one_the_old_one_serves(self) -> None:
        world = self.world(settings=evolve(HASTY, boot_timeout=0.02))
        id = await self.served(world)
        (old,) = await world.rows()
        world.amphorae.silent_for = 10**6
        await world.fail_over(id)
        for _ in range(3):
            await world.live()
            self.assertIn(old.id, world.amphorae.serving(id))
        world.amphorae.silent_for = 0
        await world.settle()
        await self.assert_served(world, id)
        self.assertEqual(world.amphorae.gaps, 0)

    async def test_a_deletion_during_it_leaves_nothing(self) -> None:
        world = self.world()
        id = await self.served(world)
        world.amphorae.connections = 10**6
        await world.fail_over(id)
        await world.live()
        await world.delete(id)
        await world.settle()
        await self.assert_nothing(world, id)

    async def test_both_are_failed_over_when_both_are_named(self) -> None:
        world = self.world()
        id = await self.served(world)
        world.amphorae.connections = 10**6
        await world.fail_over(id)
        await world.live()
        for row in await world.rows():
            await self.fail_over_amphora(row.id)
        await world.live()
        self.assertEqual(len(world.compute.made), 3)
        self.assertEqual(len(world.amphorae.serving(id)), 1)
        world.amphorae.connections = 0
        await self.until_settled(world)
        await self.assert_served(world, id)
        self.assertEqual((len(world.compute.made), world.amphorae.gaps), (3, 0))

    async def test_a_change_of_the_tenants_during_it_is_served_in_the_end(self) -> None:
        world = self.world()
        id = await self.served(world)
        await world.fail_over(id)
        await world.change(id)
        await world.settle()
        await self.assert_served(world, id)
        self.assertEqual(len(world.compute.made), 2)


class Deaths(FailoverCase):
    """A controller may die anywhere in it."""

    async def test_a_failover_survives_every_fault_at_every_point(self) -> None:
        async def course(world: World) -> None:
            id = await self.served(world)
            await world.fail_over(id)
            while await world.live():
                self.assertTrue(world.amphorae.serving(id), "nobody serves")
            await self.assert_served(world, id)

        world = self.world()
        await course(world)
        points = len(world.faults.passed)
        for fault in Fault:
            for point in range(points):
                await self.clear()
                world = self.world({point: fault})
                await course(world)
                self.assertEqual(len(world.compute.made), 2, f"{fault} at {point}: {world.faults.passed}")
                self.assertEqual(world.amphorae.gaps, 0)

    async def test_asked_for_again_after_each_fault_it_ends_with_one_amphora(self) -> None:
        world = self.world()
        id = await self.served(world)
        begun = len(world.faults.passed)
        await world.fail_over(id)
        await world.settle()
        points = len(world.faults.passed)
        for point in range(begun, points):
            await self.clear()
            world = self.world({point: Fault.DIE_AFTER})
            id = await self.served(world)
            await world.fail_over(id)
            await world.live()
            await world.fail_over(id)
            await world.settle()
            await self.assert_served(world, id)
            self.assertLessEqual(len(world.compute.made), 3)  # the third, where the first was over already

    async def test_a_load_balancer_is_changed_only_together_with_its_amphorae(self) -> None:
        world = self.world()
        id = await self.served(world)
        try:
            async with self.database.transaction() as tx:
                await failover.of_load_balancer(tx, id)
                raise RuntimeError("the API dies")
        except RuntimeError:
            pass
        self.assertEqual(await self.states(world), [AmphoraState.ALLOCATED])
        async with self.database.transaction() as tx:
            shown = await load_balancers.get(tx, id)
        assert shown is not None
        self.assertEqual(shown.revision, 1)
