"""Amphorae, and what they report: heartbeats, statistics, operating statuses."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve
from twisted.internet.defer import Deferred, gatherResults

from octavia_tx.db import amphorae, listeners, load_balancers, members, operating, statistics
from octavia_tx.db.statistics import CounterRow
from octavia_tx.model.resources import Statistics
from octavia_tx.model.statuses import AmphoraRole, AmphoraState, OperatingStatus
from octavia_tx.model.tree import Tree
from tests.db.values import NOW, amphora, listener, new_id, tree
from tests.integration.postgres import PostgresCase


class AmphoraTests(PostgresCase):
    async def test_one_reads_as_it_was_written(self) -> None:
        given = amphora(lb_network_ip="127.1.2.3", certificate_serial="0a", cert_expiration=NOW, role="MASTER")
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, given)
            self.assertEqual(await amphorae.get(tx, given.id), given)
            self.assertEqual(await amphorae.find(tx), (given,))

    async def test_they_are_found_by_load_balancer(self) -> None:
        top = tree().load_balancer
        mine, spare = amphora(load_balancer_id=top.id), amphora()
        async with self.database.transaction() as tx:
            await load_balancers.insert(tx, Tree(load_balancer=top))
            await amphorae.insert(tx, mine)
            await amphorae.insert(tx, spare)
            self.assertEqual(await amphorae.of(tx, top.id), (mine,))
            self.assertEqual(set(await amphorae.find(tx)), {mine, spare})

    async def test_the_state_moves_on_from_the_expected_one_only(self) -> None:
        given = amphora(image_id="image")
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, given)
            moved = await amphorae.change(
                tx, given.id, AmphoraState.REQUESTED, AmphoraState.BOOTING, compute_id="c", lb_network_ip="127.0.0.9"
            )
            again = await amphorae.change(tx, given.id, AmphoraState.REQUESTED, AmphoraState.FAILED, compute_id="x")
            nobody = await amphorae.change(tx, new_id(), AmphoraState.REQUESTED, AmphoraState.FAILED)
            found = await amphorae.get(tx, given.id)
        assert found is not None
        self.assertEqual((moved, again, nobody), (True, False, False))
        expected = evolve(given, state=AmphoraState.BOOTING, compute_id="c", lb_network_ip="127.0.0.9")
        self.assertEqual(evolve(found, updated_at=None), expected)

    async def test_of_many_who_move_it_on_at_once_one_does(self) -> None:
        given = amphora()
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, given)

        async def move() -> bool:
            async with self.database.transaction() as tx:
                return await amphorae.change(tx, given.id, AmphoraState.REQUESTED, AmphoraState.BOOTING)

        outcomes = await gatherResults([Deferred.fromCoroutine(move()) for _ in range(6)])
        self.assertEqual(sorted(outcomes), [False] * 5 + [True])

    async def test_columns_are_recorded_and_emptied_but_never_the_state(self) -> None:
        given = amphora(error="why")
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, given)
            await amphorae.record(
                tx, given.id, error=None, applied_revision=7, role=AmphoraRole.BACKUP, last_heartbeat=NOW
            )
            found = await amphorae.get(tx, given.id)
            assert found is not None
            expected = evolve(given, error=None, applied_revision=7, role="BACKUP", last_heartbeat=NOW)
            self.assertEqual(evolve(found, updated_at=None), expected)
            for column in ("state", "id", "nonsense"):
                with self.assertRaises(TypeError):
                    await amphorae.record(tx, given.id, **{column: "x"})

    async def test_a_forgotten_one_is_gone_and_forgetting_again_is_no_error(self) -> None:
        given = amphora()
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, given)
            await amphorae.forget(tx, given.id)
            await amphorae.forget(tx, given.id)
            self.assertEqual(await amphorae.find(tx), ())

    async def test_a_change_of_state_is_heard(self) -> None:
        given = amphora()
        told: Deferred[str] = Deferred()

        def hear(payload: str) -> None:
            if payload:
                told.callback(payload)

        await self.database.listen("octavia_tx_amphora", hear)
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, given)
            await amphorae.change(tx, given.id, AmphoraState.REQUESTED, AmphoraState.BOOTING)
        self.assertEqual(await told, given.id)

    async def test_heartbeats_are_noted_and_never_go_back(self) -> None:
        one, other = amphora(), amphora()
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, one)
            await amphorae.insert(tx, other)
            for later in (5, 3):
                await amphorae.heard(tx, [one.id, new_id()], NOW + timedelta(seconds=later))
            await amphorae.heard(tx, [], NOW)
            found = {each.id: each for each in await amphorae.find(tx)}
        self.assertEqual(found[one.id].last_heartbeat, NOW + timedelta(seconds=5))
        self.assertIsNone(found[one.id].updated_at)
        self.assertIsNone(found[other.id].last_heartbeat)


class StatisticsTests(PostgresCase):
    def setUp(self) -> Deferred[None]:
        self.tree = tree()
        self.listener_id = self.tree.listeners[0].id
        self.amphora_id = new_id()

        async def prepare(_: object) -> None:
            async with self.database.transaction() as tx:
                await load_balancers.insert(tx, self.tree)

        return super().setUp().addCallback(lambda result: Deferred.fromCoroutine(prepare(result)))

    def counted(self, count: int, epoch: str = "e", **given: object) -> CounterRow:
        values = {name: count for name in ("bytes_in", "bytes_out", "request_errors", "total_connections")}
        return CounterRow(
            **{"listener_id": self.listener_id, "amphora_id": self.amphora_id, "epoch": epoch, **values, **given}  # type: ignore[arg-type]
        )

    async def merge(self, *rows: CounterRow) -> None:
        async with self.database.transaction() as tx:
            await statistics.merge(tx, rows)

    async def add(self, *rows: CounterRow) -> None:
        async with self.database.transaction() as tx:
            await statistics.add(tx, rows)

    async def assertStatistics(self, count: int, active: int = 0) -> None:
        expected = Statistics(
            active_connections=active, bytes_in=count, bytes_out=count, request_errors=count, total_connections=count
        )
        async with self.database.transaction(read_only=True) as tx:
            self.assertEqual(await statistics.of_listener(tx, self.listener_id), expected)
            self.assertEqual(await statistics.of_load_balancer(tx, self.tree.load_balancer.id), expected)

    async def test_without_reports_all_is_zero(self) -> None:
        await self.assertStatistics(0)
        async with self.database.transaction() as tx:
            self.assertEqual(await statistics.of_listener(tx, new_id()), Statistics())

    async def test_repeated_late_and_lost_reports_change_nothing(self) -> None:
        for count in (10, 10, 30, 20):
            await self.merge(self.counted(count))
        await self.assertStatistics(30)

    async def test_a_new_epoch_adds_up_and_never_goes_backwards(self) -> None:
        await self.merge(self.counted(30, "old"))
        await self.merge(self.counted(2, "new"), self.counted(31, "old"))
        await self.assertStatistics(33)

    async def test_of_several_rows_in_one_report_the_largest_counter_and_the_last_gauge_count(self) -> None:
        await self.merge(self.counted(5, active_connections=9), self.counted(3, active_connections=1))
        await self.assertStatistics(5, active=1)

    async def test_unknown_listeners_are_ignored(self) -> None:
        await self.merge(self.counted(5), self.counted(7, listener_id=new_id()))
        await self.merge()
        await self.assertStatistics(5)

    async def test_differences_add_up(self) -> None:
        await self.add(self.counted(5, active_connections=3), self.counted(2, active_connections=2))
        await self.add(self.counted(1, active_connections=1), self.counted(1, listener_id=new_id()))
        await self.add()
        await self.assertStatistics(8, active=1)

    async def test_connections_of_a_worker_that_fell_silent_are_not_open(self) -> None:
        await self.merge(self.counted(5, active_connections=3))
        self.server.run(
            "UPDATE listener_statistics SET updated_at = now() - interval '1 minute'", self.dsn.rpartition("=")[2]
        )
        await self.assertStatistics(5, active=0)

    async def test_a_load_balancers_are_the_sum_of_its_listeners(self) -> None:
        second = listener(self.tree.load_balancer, protocol_port=81)
        async with self.database.transaction() as tx:
            await listeners.insert(tx, second)
        await self.merge(self.counted(5), self.counted(7, listener_id=second.id))
        async with self.database.transaction() as tx:
            total = await statistics.of_load_balancer(tx, self.tree.load_balancer.id)
        self.assertEqual(total.bytes_in, 12)

    async def test_receivers_that_write_the_same_rows_at_once_do_not_collide(self) -> None:
        rows = [self.counted(n, f"epoch {n}") for n in range(400)]
        await gatherResults(
            [Deferred.fromCoroutine(self.merge(*order)) for order in (rows, rows[::-1], rows, rows[::-1])]
        )
        await self.assertStatistics(sum(range(400)))


class OperatingTests(PostgresCase):
    async def test_only_what_differs_is_written_and_nothing_else_touched(self) -> None:
        given = tree()
        one, other = given.members
        async with self.database.transaction() as tx:
            await load_balancers.insert(tx, given)
            await operating.record(
                tx,
                "member",
                {one.id: OperatingStatus.ERROR, other.id: other.operating_status, new_id(): OperatingStatus.ERROR},
            )
            await operating.record(tx, "member", {})
            self.assertEqual(await members.get(tx, one.id), evolve(one, operating_status=OperatingStatus.ERROR))
            self.assertEqual(await members.get(tx, other.id), other)

    async def test_each_kind_has_one(self) -> None:
        given = tree()
        ids = {
            "member": given.members[0].id,
            "pool": given.pools[0].id,
            "listener": given.listeners[0].id,
            "load_balancer": given.load_balancer.id,
        }
        async with self.database.transaction() as tx:
            await load_balancers.insert(tx, given)
            for kind, id in ids.items():
                await operating.record(tx, kind, {id: OperatingStatus.DEGRADED})  # type: ignore[arg-type]
            found = await load_balancers.tree(tx, given.load_balancer.id)
        assert found is not None
        written = {
            m.id: m.operating_status for m in (found.load_balancer, *found.pools, *found.listeners, *found.members)
        }
        for id in ids.values():
            self.assertIs(written[id], OperatingStatus.DEGRADED)
