"""Convergence under failures and deaths at every point: the database is real, the cloud is modelled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import blockingCallFromThread, deferToThread

from octavia_tx.cloud.authority import Authority
from octavia_tx.controller.boots import BootMaterial
from octavia_tx.controller.convergence import Convergence
from octavia_tx.controller.work import Work
from octavia_tx.db import amphorae, leases
from octavia_tx.errors import ConfigurationRejected, NotFound
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState, ProvisioningStatus
from octavia_tx.testing.cloud import Fault
from tests.controller.world import HASTY, World
from tests.integration.postgres import PostgresCase


class ConvergenceCase(PostgresCase):
    """A L{PostgresCase} with what worlds are made of."""

    timeout = 120

    def setUp(self) -> Deferred[None]:
        self.authority = Authority.load_or_create(Path(self.mktemp()))
        self.boots = BootMaterial(self.authority, self.authority.heartbeat_key, receivers=(), controllers=())
        return super().setUp()

    def world(self, *args: Any, **kwargs: Any) -> World:
        return World(reactor, self.database, self.boots, *args, **kwargs)

    async def assert_served(self, world: World, id: str) -> None:
        """Active at its newest revision, by exactly one amphora, and nothing else exists."""
        shown = await world.show(id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ACTIVE)
        self.assertEqual(shown.applied_revision, shown.revision)
        self.assertIsNone(shown.error)
        (row,) = await world.rows()
        self.assertIs(row.state, AmphoraState.ALLOCATED)
        self.assertEqual(row.applied_revision, shown.revision)
        self.assertEqual((row.ha_ip, row.ha_port_id), (shown.vip_address, shown.vip_port_id))
        self.assertNotIn(None, (row.vrrp_ip, row.vrrp_port_id))
        self.assertEqual(set(world.compute.machines), {row.id})
        self.assertEqual(row.compute_id, world.compute.machines[row.id].compute_id)
        self.assertEqual(row.certificate_serial, world.compute.serials[row.id])
        (tree,) = world.amphorae.serving(id).values()
        self.assertEqual(tree.load_balancer.revision, shown.revision)
        self.assertEqual(tree.load_balancer.vip_address, world.network.vips[id].address)
        self.assertEqual(shown.vip_address, world.network.vips[id].address)
        self.assertIn((row.id, id), world.network.plugged)
        given = {at: vip.address for (of, at), vip in world.network.additional.items() if of == id}
        for told in (shown, tree.load_balancer):
            self.assertEqual(given, dict(enumerate(v.ip_address for v in told.additional_vips)))
        self.assertEqual(len({shown.vip_address, *given.values()}), 1 + len(given))

    async def assert_nothing(self, world: World, id: str) -> None:
        """Nothing is left of it anywhere."""
        self.assertIsNone(await world.show(id))
        self.assertEqual(await world.rows(), ())
        self.assertEqual(world.compute.machines, {})
        self.assertEqual(world.network.vips, {})
        self.assertEqual(world.network.additional, {})

    async def clear(self) -> None:
        """Make the database empty again."""
        async with self.database.transaction() as tx:
            await tx.script("DELETE FROM amphora; DELETE FROM load_balancer")


class Courses(ConvergenceCase):
    """What convergence does when all goes well, and when something doesn't."""

    async def test_a_creation_is_served_and_a_deletion_leaves_nothing(self) -> None:
        world = self.world()
        lb = await world.create()
        self.assertEqual(await world.settle(), 1)
        await self.assert_served(world, lb.id)
        await world.delete(lb.id)
        self.assertEqual(await world.settle(), 1)
        await self.assert_nothing(world, lb.id)

    async def test_additional_vips_get_addresses_of_their_own_and_are_given_back(self) -> None:
        world = self.world()
        asked = ({}, {"ip_address": "10.0.0.1"}, {})  # which would be the VIP's, were it not asked for
        lb = await world.create(additional_vips=asked)
        other = await world.create(additional_vips=({},))
        await world.settle()
        all_of = []
        for id in (lb.id, other.id):
            shown = await world.show(id)
            assert shown is not None
            self.assertIs(shown.provisioning_status, ProvisioningStatus.ACTIVE)
            all_of += [shown.vip_address, *(v.ip_address for v in shown.additional_vips)]
        self.assertEqual(len(set(all_of)), 6)
        self.assertEqual(all_of[2], "10.0.0.1")
        await world.delete(other.id)
        await world.settle()
        await self.assert_served(world, lb.id)
        await world.delete(lb.id)
        await world.settle()
        await self.assert_nothing(world, lb.id)

    async def test_an_additional_address_that_another_has_is_told(self) -> None:
        world = self.world(settings=evolve(HASTY, give_up_after=0.0, slow_retry=60.0))
        first = await world.create(additional_vips=({"ip_address": "10.0.9.9"},))
        second = await world.create(additional_vips=({"ip_address": "10.0.9.9"},))
        await world.settle()
        await self.assert_active(world, first.id)
        shown = await world.show(second.id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ERROR)
        self.assertIn("10.0.9.9 is taken", shown.error or "")

    async def assert_active(self, world: World, id: str) -> None:
        shown = await world.show(id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ACTIVE)

    async def test_many_changes_are_one_push(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        before = world.amphorae.pushes
        for _ in range(5):
            await world.change(lb.id)
        await world.settle()
        await self.assert_served(world, lb.id)
        self.assertEqual(world.amphorae.pushes, before + 1)

    async def test_a_change_during_the_push_is_pushed_next_under_the_same_lease(self) -> None:
        await self.changed_during_the_push(told=True)

    async def test_a_change_during_the_push_that_nobody_tells_of_is_due_at_once(self) -> None:
        await self.changed_during_the_push(told=False)

    async def changed_during_the_push(self, *, told: bool) -> None:
        world = self.world()
        lb = await world.create()
        apply, changed = world.amphorae.apply, []

        async def changing(*args: Any) -> None:
            await apply(*args)
            if not changed:
                changed.append(await world.change(lb.id))
                if told:
                    world.work.tell()

        world.amphorae.apply = changing  # type: ignore[method-assign]
        self.assertEqual(await world.settle(), 1 if told else 2)
        await self.assert_served(world, lb.id)
        self.assertEqual(world.amphorae.pushes, 2)

    async def test_an_update_asks_compute_and_network_nothing(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        await world.change(lb.id)
        passed = len(world.faults.passed)
        await world.settle()
        self.assertEqual(set(world.faults.passed[passed:]), {"transaction", "amphora.apply"})

    async def test_an_amphoras_settings_are_sent_anew_when_somebody_asks(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        (row,) = await world.rows()
        pushes = world.amphorae.pushes
        async with self.database.transaction() as tx:
            await amphorae.renew_settings(tx, row.id)
        self.assertEqual(await world.settle(), 1)
        self.assertEqual(world.amphorae.configured, {row.id: self.boots.settings(row.id)})
        self.assertEqual(world.amphorae.pushes, pushes)
        (after,) = await world.rows()
        self.assertFalse(after.config_due)
        await self.assert_served(world, lb.id)
        for unknown in ("ffffffff-0000-4000-8000-000000000000", "no-id"):
            with self.assertRaises(NotFound):
                async with self.database.transaction() as tx:
                    await amphorae.renew_settings(tx, unknown)

    async def test_an_amphora_that_never_answers_is_replaced(self) -> None:
        world = self.world(settings=evolve(HASTY, boot_timeout=0.02), silent_for=100)
        lb = await world.create()
        await world.live()
        (first,) = await world.rows()
        self.assertIs(first.state, AmphoraState.FAILED)
        self.assertIn("didn't answer within 0.02 s of its boot", first.error or "")
        world.amphorae.silent_for = 0
        await world.settle()
        await self.assert_served(world, lb.id)
        self.assertNotIn(first.id, world.compute.machines)

    async def test_an_amphora_whose_machine_is_gone_is_replaced(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        (first,) = await world.rows()
        world.compute.machines.clear()
        await world.change(lb.id)
        await world.settle()
        await self.assert_served(world, lb.id)
        self.assertNotIn(first.id, world.compute.machines)

    async def test_an_amphora_that_refuses_since_its_machine_is_gone_is_replaced_at_once(self) -> None:
        world = self.world(settings=evolve(HASTY, slow_retry=60.0, first_retry=60.0))
        lb = await world.create()
        await world.settle()
        (first,) = await world.rows()
        apply = world.amphorae.apply

        async def refusing(amphora: Amphora, *args: Any) -> None:
            if amphora.id == first.id:
                raise ConfigurationRejected(amphora.id, "cannot open the file")
            await apply(amphora, *args)

        world.amphorae.apply = refusing  # type: ignore[method-assign]
        world.compute.machines.clear()
        await world.change(lb.id)
        self.assertEqual(await world.settle(), 1)
        await self.assert_served(world, lb.id)
        self.assertNotIn(first.id, world.compute.machines)

    async def test_an_amphora_that_does_not_answer_an_update_is_kept(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        (first,) = await world.rows()
        world.faults.script({len(world.faults.passed) + 2: Fault.RAISE_BEFORE})
        await world.change(lb.id)
        self.assertEqual(await world.settle(), 2)
        self.assertIn(first.id, world.compute.machines)
        await self.assert_served(world, lb.id)

    async def test_a_rejected_configuration_is_an_error_with_haproxys_sentence_until_the_next_change(self) -> None:
        world = self.world(settings=evolve(HASTY, slow_retry=60.0))
        lb = await world.create()
        world.amphorae.rejects = "line 7: unknown keyword 'x'"
        self.assertEqual(await world.settle(), 1)
        shown = await world.show(lb.id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ERROR)
        self.assertIn("line 7: unknown keyword 'x'", shown.error or "")
        self.assertIn("'apply'", shown.error or "")
        world.amphorae.rejects = None
        await world.change(lb.id)
        await world.settle()
        await self.assert_served(world, lb.id)

    async def test_failures_end_in_an_error_with_the_reason_and_are_retried_still(self) -> None:
        world = self.world({6: Fault.RAISE_BEFORE}, settings=evolve(HASTY, give_up_after=0.0))
        lb = await world.create()
        await world.live()
        shown = await world.show(lb.id)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ERROR)
        self.assertIn("as the test wants it", shown.error or "")
        self.assertIn("Step 'ensure machine', amphora ", shown.error or "")
        await world.settle()
        await self.assert_served(world, lb.id)

    async def test_a_lost_lease_ends_the_work_without_a_trace(self) -> None:
        world = self.world()
        lb = await world.create()
        lease = await world.claim()
        assert lease is not None
        await world.expire(lease)
        work = Work(world.means, lease)
        taken = await world.claim()
        assert taken is not None
        await Convergence(work, lambda: 0.5).run()
        self.assertEqual(await world.rows(), ())
        self.assertEqual(world.compute.made, [])
        await world.expire(taken)
        await world.settle()
        await self.assert_served(world, lb.id)

    async def test_a_deletion_during_the_boot_is_not_waited_with(self) -> None:
        world = self.world(silent_for=10**9)
        lb = await world.create()
        lease = await world.claim()
        assert lease is not None
        work = Work(world.means, lease)
        running = Deferred.fromCoroutine(Convergence(work, lambda: 0.5).run())
        while "amphora.info" not in world.faults.passed:
            await self.pause(0.005)
        await world.delete(lb.id)
        work.tell()
        await running
        await self.assert_nothing(world, lb.id)

    async def test_news_of_a_deletion_is_heeded_before_anything_more_is_made(self) -> None:
        world = self.world()
        lb = await world.create()
        lease = await world.claim()
        assert lease is not None
        work, allocate = Work(world.means, lease), world.network.allocate_vip

        async def meanwhile(*args: Any) -> Any:
            await world.delete(lb.id)
            work.tell()
            return await allocate(*args)

        world.network.allocate_vip = meanwhile  # type: ignore[method-assign]
        await Convergence(work, lambda: 0.5).run()
        await self.assert_nothing(world, lb.id)
        self.assertEqual(world.compute.made, [])

    async def test_each_push_carries_its_leases_fence(self) -> None:
        world = self.world()
        lb = await world.create()
        for fence in (1, 2, 3):
            await world.settle()
            (served,) = world.amphorae.served.values()
            self.assertEqual(served.fence, fence)
            await world.change(lb.id)

    async def test_a_controller_that_stops_gives_the_lease_back_at_once(self) -> None:
        world = self.world(silent_for=10**9)
        lb = await world.create()
        lease = await world.claim()
        assert lease is not None
        work = Work(world.means, lease)
        running = Deferred.fromCoroutine(Convergence(work, lambda: 0.5).run())
        while "amphora.info" not in world.faults.passed:
            await self.pause(0.005)
        work.stop()
        await running
        world.amphorae.silent_for = 0
        await world.settle()
        await self.assert_served(world, lb.id)
        self.assertEqual(len(world.compute.made), 1)

    async def pause(self, seconds: float) -> None:
        waited: Deferred[None] = Deferred()
        reactor.callLater(seconds, waited.callback, None)  # type: ignore[attr-defined]
        await waited


class Deaths(ConvergenceCase):
    """Whatever fails, and wherever a controller dies: it ends as wanted."""

    async def _points(self, course: Callable[[World], Awaitable[None]]) -> int:
        """How many points a course has when nothing goes wrong."""
        world = self.world()
        await course(world)
        await self.clear()
        return len(world.faults.passed)

    async def _each(self, course: Callable[[World], Awaitable[None]]) -> None:
        points = await self._points(course)
        self.assertGreater(points, 8)
        for fault in Fault:
            for point in range(points):
                world = self.world({point: fault})
                try:
                    await course(world)
                except Exception as error:
                    raise AssertionError(f"{fault} at {point}: {world.faults.passed}") from error
                await self.clear()

    async def test_a_creation_survives_every_fault_at_every_point(self) -> None:
        async def course(world: World) -> None:
            lb = await world.create()
            await world.settle()
            await self.assert_served(world, lb.id)
            self.assertEqual(len(world.compute.made), 1)

        await self._each(course)

    async def test_one_with_additional_vips_survives_every_fault_at_every_point(self) -> None:
        async def course(world: World) -> None:
            lb = await world.create(additional_vips=({}, {"ip_address": "10.0.7.7"}))
            await world.settle()
            await self.assert_served(world, lb.id)
            await world.delete(lb.id)
            await world.settle()
            await self.assert_nothing(world, lb.id)

        await self._each(course)

    async def test_a_renewal_of_settings_survives_every_fault_at_every_point(self) -> None:
        async def course(world: World) -> None:
            lb = await world.create()
            await world.settle()
            (row,) = await world.rows()
            async with self.database.transaction() as tx:
                await amphorae.renew_settings(tx, row.id)
            await world.settle()
            await self.assert_served(world, lb.id)
            self.assertEqual(set(world.amphorae.configured), {row.id})
            self.assertFalse((await world.rows())[0].config_due)

        await self._each(course)

    async def test_a_renewal_of_certificates_survives_every_fault_at_every_point(self) -> None:
        async def course(world: World) -> None:
            lb = await world.create()
            await world.settle()
            (row,) = await world.rows()
            end = world.means.now() + timedelta(days=1)
            async with self.database.transaction() as tx:
                await amphorae.record(tx, row.id, cert_expiration=end)
            for _ in range(2):  # as housekeeping looks again
                async with self.database.transaction() as tx:
                    await leases.wake(tx, lb.id)
                await world.settle()
            await self.assert_served(world, lb.id)
            (renewed,) = await world.rows()
            self.assertNotEqual(renewed.certificate_serial, row.certificate_serial)
            assert renewed.cert_expiration is not None
            self.assertGreater(renewed.cert_expiration, end + timedelta(days=50))

        await self._each(course)

    async def test_shipping_what_was_logged_survives_every_fault_at_every_point(self) -> None:
        async def course(world: World) -> None:
            world.means = evolve(world.means, logged=lambda _terms: True)
            lb = await world.create()
            await world.settle()
            world.amphorae.unsent = 3
            await world.delete(lb.id)
            await world.settle()
            await self.assert_nothing(world, lb.id)

        await self._each(course)

    async def test_a_deletion_survives_every_fault_at_every_point(self) -> None:
        async def course(world: World) -> None:
            lb = await world.create()
            await world.settle()
            await world.delete(lb.id)
            await world.settle()
            await self.assert_nothing(world, lb.id)

        await self._each(course)

    async def test_a_replacement_survives_every_fault_at_every_point(self) -> None:
        async def course(world: World) -> None:
            lb = await world.create()
            await world.settle()
            world.compute.machines.clear()
            await world.change(lb.id)
            await world.settle()
            await self.assert_served(world, lb.id)

        await self._each(course)

    async def test_any_course_with_any_faults_ends_as_wanted(self) -> None:
        script = st.dictionaries(st.integers(0, 70), st.sampled_from(Fault), max_size=12)
        deeds = st.lists(st.sampled_from(["change", "live", "settle", "fail over", "lose machines"]), max_size=6)

        @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(script, deeds, st.booleans(), st.integers(0, 2))
        def course(script: dict[int, Fault], deeds: list[str], deleted: bool, silent_for: int) -> None:
            _from_thread(lambda: self._course(script, deeds, deleted, silent_for))

        await deferToThread(course)

    async def _course(self, script: dict[int, Fault], deeds: list[str], deleted: bool, silent_for: int) -> None:
        await self.clear()
        world = self.world(script, silent_for=silent_for)
        lb = await world.create()
        for deed in deeds:
            if deed == "change":
                await world.change(lb.id)
            elif deed == "fail over":
                await world.fail_over(lb.id)
            elif deed == "live":
                await world.live()
            elif deed == "settle":
                await world.settle()
            else:
                world.compute.machines.clear()
                await world.change(lb.id)
            rows = {row.id: row.state for row in await world.rows()}
            self.assertLessEqual(set(world.compute.machines), set(rows), "a machine without a row")
            leaving = [i for i, state in rows.items() if state is AmphoraState.DRAINING]
            self.assertLessEqual(len(set(world.compute.machines) - set(leaving)), 1)
            self.assertEqual(world.amphorae.gaps, 0)
        if deleted:
            await world.delete(lb.id)
        await world.settle()
        if deleted:
            await self.assert_nothing(world, lb.id)
        else:
            await self.assert_served(world, lb.id)


def _from_thread(course: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> None:
    blockingCallFromThread(reactor, lambda: Deferred.fromCoroutine(course()))
