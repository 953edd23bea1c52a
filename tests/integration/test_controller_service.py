"""The controller's service: woken by notifications, beside others of its kind, through the database's absences."""

from __future__ import annotations

import contextlib
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.task import deferLater

from octavia_tx.controller.service import ControllerService, ConvergenceSettings
from octavia_tx.db import amphorae, events
from octavia_tx.db.database import Database
from octavia_tx.db.migrations import migrate
from octavia_tx.errors import AmphoraError, DatabaseUnavailable
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.statuses import ProvisioningStatus
from octavia_tx.testing.cloud import Fault
from tests.controller.world import World
from tests.integration.postgres import Server, newest_binaries
from tests.integration.test_controller_convergence import ConvergenceCase

# No look but at the start: whatever happens later is told by a notification.
DEAF_TO_TIME = ConvergenceSettings(poll=3600.0, first_look=0.001)


async def pause(seconds: float) -> None:
    await deferLater(reactor, seconds)  # type: ignore[arg-type]


class ServiceCase(ConvergenceCase):
    """Starts services on a world, and stops them after the test."""

    async def start(self, world: World, settings: ConvergenceSettings = DEAF_TO_TIME) -> ControllerService:
        service = ControllerService(
            reactor,
            world.database,
            world.compute,
            world.network,
            world.amphorae,
            self.boots,
            world.means.providers,
            settings,
        )
        service.startService()
        self.addCleanup(lambda: service.stopService() if service.running else None)
        await pause(0.05)  # it listens by now
        return service

    async def until_active(self, world: World, id: str) -> LoadBalancer:
        for _ in range(2000):
            shown = await world.show(id)
            if shown is not None and shown.provisioning_status is ProvisioningStatus.ACTIVE:
                return shown
            await pause(0.002)
        raise AssertionError(f"Not active: {shown}")

    async def until(self, condition: Any) -> None:
        for _ in range(2000):
            if await maybeDeferred(condition):
                return
            await pause(0.005)
        raise AssertionError("It never came so.")


class Waking(ServiceCase):
    """When work is taken."""

    async def test_a_notification_wakes_it_at_once(self) -> None:
        world = self.world()
        await self.start(world)
        for _ in range(5):
            lb = await world.create()
            await self.until_active(world, lb.id)
            await world.change(lb.id)
            await self.until_active(world, lb.id)
            await world.delete(lb.id)
            await self.until(lambda id=lb.id: Deferred.fromCoroutine(self._gone(world, id)))

    async def _gone(self, world: World, id: str) -> bool:
        return await world.show(id) is None

    async def test_a_deletion_during_the_boot_is_not_waited_with(self) -> None:
        world = self.world(silent_for=10**9)
        lb = await world.create()
        await self.start(world)
        await self.until(lambda: "amphora.info" in world.faults.passed)
        await world.delete(lb.id)
        await self.until(lambda: Deferred.fromCoroutine(self._gone(world, lb.id)))
        await self.assert_nothing(world, lb.id)

    async def test_what_was_due_before_it_started_is_taken(self) -> None:
        world = self.world()
        lbs = [await world.create() for _ in range(3)]
        await self.start(world)
        for lb in lbs:
            await self.until_active(world, lb.id)

    async def test_what_becomes_due_by_time_alone_is_taken(self) -> None:
        world = self.world()
        world.amphorae.rejects = "no"
        lb = await world.create()
        await self.start(world, ConvergenceSettings(poll=0.05, first_look=0.001, slow_retry=0.1))
        await self.until(lambda: world.faults.passed.count("amphora.apply") > 2)
        world.amphorae.rejects = None
        await self.until_active(world, lb.id)

    async def test_no_more_are_worked_on_at_once_than_set(self) -> None:
        world = self.world()
        busy: list[int] = [0, 0]
        apply = world.amphorae.apply

        async def slow(*args: Any) -> None:
            busy[0] += 1
            busy[1] = max(busy)
            await self.until(lambda: busy[1] >= 3)
            await pause(0.02)
            busy[0] -= 1
            await apply(*args)

        world.amphorae.apply = slow  # type: ignore[method-assign]
        lbs = [await world.create() for _ in range(7)]
        await self.start(world, evolve(DEAF_TO_TIME, concurrency=3))
        for lb in lbs:
            await self.until_active(world, lb.id)
        self.assertEqual(busy[1], 3)


class Together(ServiceCase):
    """Several controllers, and one after the other."""

    async def test_two_share_the_work_and_make_nothing_twice(self) -> None:
        world = self.world()
        await self.start(world)
        await self.start(world)
        lbs = [await world.create() for _ in range(20)]
        for lb in lbs:
            await self.until_active(world, lb.id)
        self.assertEqual(len(world.compute.made), 20)
        self.assertEqual({row.load_balancer_id for row in await world.rows()}, {lb.id for lb in lbs})

    async def test_one_that_stops_hands_over_at_once(self) -> None:
        world = self.world(silent_for=10**9)
        lb = await world.create()
        first = await self.start(world)
        await self.until(lambda: "amphora.info" in world.faults.passed)
        await first.stopService()
        world.amphorae.silent_for = 0
        await self.start(world)
        await self.until_active(world, lb.id)
        await self.assert_served(world, lb.id)
        self.assertEqual(len(world.compute.made), 1)

    async def test_one_that_stops_does_not_wait_for_ever_and_hands_over_all_the_same(self) -> None:
        world = self.world()
        apply, stuck = world.amphorae.apply, Deferred[None]()

        async def hang(*args: Any) -> None:
            world.amphorae.apply = apply  # type: ignore[method-assign]
            await stuck

        world.amphorae.apply = hang  # type: ignore[method-assign]
        lb = await world.create()
        first = await self.start(world, evolve(DEAF_TO_TIME, grace=0.05))
        await self.until(lambda: world.amphorae.apply == apply)
        await first.stopService()
        await self.start(world)
        await self.until_active(world, lb.id)
        await self.assert_served(world, lb.id)

    async def test_one_that_stops_leaves_behind_what_does_not_even_heed_its_cancellation(self) -> None:
        world = self.world()
        freed: Deferred[None] = Deferred()
        hung: list[Deferred[None]] = []

        async def hang(*args: Any) -> None:
            while not freed.called:
                hung.append(Deferred())
                with contextlib.suppress(CancelledError):
                    await hung[-1]
            raise AmphoraError("amphora", "It was hung.")

        world.amphorae.apply = hang  # type: ignore[method-assign]
        await world.create()
        first = await self.start(world, evolve(DEAF_TO_TIME, grace=0.05))
        await self.until(lambda: hung)
        await first.stopService()
        self.assertEqual(len(hung), 2)  # it was cancelled once
        freed.callback(None)
        hung[-1].callback(None)

    async def test_one_whose_lease_is_lost_stops_and_the_other_goes_on(self) -> None:
        world = self.world()
        apply, stuck = world.amphorae.apply, Deferred[None]()

        async def hang(*args: Any) -> None:
            world.amphorae.apply = apply  # type: ignore[method-assign]
            await stuck

        world.amphorae.apply = hang  # type: ignore[method-assign]
        lb = await world.create()
        await self.start(world, evolve(DEAF_TO_TIME, lease_seconds=0.3))
        await self.until(lambda: world.amphorae.apply == apply)
        taken = "UPDATE convergence SET holder = gen_random_uuid(), expires_at = now()"  # by one that died at once
        self.server.run(taken, self.dsn.rpartition("=")[2])
        await self.start(world)
        await self.until_active(world, lb.id)
        await self.until(lambda: stuck.called)  # cancelled
        await self.assert_served(world, lb.id)


class Sweeping(ServiceCase):
    """Housekeeping."""

    async def test_a_machine_without_a_row_is_destroyed_and_others_are_left(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        (row,) = await world.rows()
        await world.compute.ensure(self.boots.make("0a1b2c3d-0000-4000-8000-00000000dead").boot)
        await self.start(world, evolve(DEAF_TO_TIME, housekeeping=0.05, second_look=0.05))
        await self.until(lambda: set(world.compute.machines) == {row.id})
        await self.assert_served(world, lb.id)

    async def test_a_retired_spare_is_finished(self) -> None:
        world = self.world()
        boot = self.boots.make("0a1b2c3d-0000-4000-8000-00000000beef").boot
        async with self.database.transaction() as tx:
            spare = Amphora(id=boot.amphora_id, state="DELETING", created_at=world.means.now())
            await amphorae.insert(tx, spare)
        await world.compute.ensure(boot)
        await self.start(world)
        await self.until(lambda: not world.compute.machines)
        await self.until(lambda: Deferred.fromCoroutine(self._no_rows(world)))

    async def test_a_spares_settings_are_sent_anew(self) -> None:
        world = self.world()
        boot = self.boots.make("0a1b2c3d-0000-4000-8000-00000000cafe").boot
        machine = await world.compute.ensure(boot)
        async with self.database.transaction() as tx:
            spare = Amphora(
                id=boot.amphora_id, state="READY", lb_network_ip=machine.lb_network_ip, created_at=world.means.now()
            )
            await amphorae.insert(tx, spare)
            await amphorae.renew_settings(tx, spare.id)
        await self.start(world, evolve(DEAF_TO_TIME, housekeeping=0.05))
        await self.until(lambda: set(world.amphorae.configured) == {spare.id})
        await self.until(lambda: Deferred.fromCoroutine(self._none_due(world)))
        self.assertEqual(set(world.compute.machines), {spare.id})

    async def _none_due(self, world: World) -> bool:
        return not any(row.config_due for row in await world.rows())

    async def _no_rows(self, world: World) -> bool:
        return not await world.rows()

    async def test_old_events_are_forgotten_and_others_kept(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        name = self.dsn.rpartition("=")[2]
        kept = self.server.ask("SELECT id FROM event ORDER BY id", name)
        self.assertGreater(len(kept), 3)
        self.server.run(
            "INSERT INTO event (kind, object_id, at) SELECT 'member', gen_random_uuid(),"
            " now() - interval '8 days' FROM generate_series(1, 2500)",
            name,
        )
        # A cloud that doesn't answer keeps nobody from it.
        world.faults.script({len(world.faults.passed): Fault.RAISE_BEFORE})
        await self.start(world)
        await self.until(lambda: self.server.ask("SELECT id FROM event ORDER BY id", name) == kept)
        await self.assert_served(world, lb.id)

    async def test_events_are_forgotten_in_bounded_batches_that_nobody_waits_for(self) -> None:
        name = self.dsn.rpartition("=")[2]
        old = "SELECT 'member', gen_random_uuid(), now() - interval '1 hour' FROM generate_series(1, 25)"
        self.server.run(f"INSERT INTO event (kind, object_id, at) {old}", name)
        async with self.database.transaction() as first, self.database.transaction() as second:
            self.assertEqual(await events.forget(first, 60.0, 10), 10)
            self.assertEqual(await events.forget(second, 60.0, 10), 10)
            self.assertEqual(await events.forget(second, 7200.0, 10), 0)
        async with self.database.transaction() as tx:
            self.assertEqual(await events.forget(tx, 60.0, 10), 5)


class DatabaseAway(ServiceCase):
    """The database goes and comes back under it."""

    async def test_it_goes_on_when_the_database_is_back(self) -> None:
        server = Server(newest_binaries())
        self.addCleanup(server.remove)
        server.start()
        database = Database(reactor, server.dsn("postgres"), deadline=1.0)
        database.startService()
        self.addCleanup(database.stopService)
        await migrate(database)
        self.database = database
        world = self.world()
        lb = await world.create()
        await self.start(world, ConvergenceSettings(poll=0.1, lease_seconds=0.5))
        await self.until_active(world, lb.id)
        server.stop()
        await pause(0.5)
        server.start()
        await self.until(lambda: Deferred.fromCoroutine(self._change(world, lb.id)))
        await self.until_active(world, lb.id)
        await self.assert_served(world, lb.id)

    async def _change(self, world: World, id: str) -> bool:
        try:
            await world.change(id)
        except DatabaseUnavailable:
            return False
        return True
