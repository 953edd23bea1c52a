"""Leases: one holder at a time, and no change or fact overlooked."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred, gatherResults

from octavia_tx.db import leases, load_balancers
from octavia_tx.db.leases import Lease
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.tree import Tree
from tests.db.values import load_balancer, new_id
from tests.integration.postgres import PostgresCase

HOLDER = new_id()
OTHER = new_id()


class LeaseTests(PostgresCase):
    async def make(self) -> str:
        made = load_balancer()
        async with self.database.transaction() as tx:
            await load_balancers.insert(tx, Tree(load_balancer=made))
        return made.id

    async def claim(self, holder: str = HOLDER, seconds: float = 30) -> Lease | None:
        async with self.database.transaction() as tx:
            return await leases.claim(tx, holder, seconds)

    async def claimed(self, holder: str = HOLDER, seconds: float = 30) -> Lease:
        lease = await self.claim(holder, seconds)
        assert lease is not None
        return lease

    async def settle(self, lease: Lease, *, applied: int | None = None) -> bool:
        async with self.database.transaction() as tx:
            if applied is not None:
                await load_balancers.applied(tx, lease.load_balancer_id, applied)
            return await leases.settle(tx, lease)

    async def postpone(self, lease: Lease, seconds: float) -> bool:
        async with self.database.transaction() as tx:
            return await leases.postpone(tx, lease, seconds, "boot", "no room")

    async def wake(self, id: str) -> None:
        async with self.database.transaction() as tx:
            await leases.wake(tx, id)

    async def change(self, id: str) -> None:
        async with self.database.transaction() as tx:
            await load_balancers.change(tx, id)

    async def row(self, id: str) -> dict[str, object]:
        columns = ("settled", "holder", "attempts", "step", "last_error", "fence")
        name = self.dsn.rpartition("=")[2]
        sql = f"SELECT {', '.join(columns)} FROM convergence WHERE load_balancer_id = '{id}'"
        return dict(zip(columns, self.server.ask(sql, name)[0], strict=True))

    async def test_with_nothing_to_do_there_is_no_lease(self) -> None:
        self.assertIsNone(await self.claim())

    async def test_a_new_load_balancer_is_due_for_one_holder_only(self) -> None:
        id = await self.make()
        lease = await self.claimed()
        self.assertEqual((lease.load_balancer_id, lease.holder, lease.fence), (id, HOLDER, 1))
        self.assertEqual((lease.attempts, lease.revision), (0, 1))
        self.assertIsNone(await self.claim(OTHER))
        self.assertIsNone(await self.claim(HOLDER))

    async def test_many_claims_at_once_never_give_the_same(self) -> None:
        ids = {await self.make() for _ in range(12)}

        async def claim() -> str | None:
            async with self.database.transaction() as tx:
                lease = await leases.claim(tx, new_id(), 30)
                await tx.script("SELECT pg_sleep(0.01)")  # hold the row for a while
                return None if lease is None else lease.load_balancer_id

        claims = await gatherResults([Deferred.fromCoroutine(claim()) for _ in range(20)])
        given = [id for id in claims if id is not None]
        self.assertEqual(len(given), 12)
        self.assertEqual(set(given), ids)

    async def test_an_expired_lease_is_taken_over_and_its_old_holder_fenced_off(self) -> None:
        id = await self.make()
        old = await self.claimed(seconds=-1)
        new = await self.claimed(OTHER)
        self.assertEqual((new.load_balancer_id, new.fence), (id, old.fence + 1))
        async with self.database.transaction() as tx:
            self.assertFalse(await leases.renew(tx, old, 30))
            self.assertFalse(await leases.progress(tx, old, "boot"))
            self.assertFalse(await leases.postpone(tx, old, 1, "boot", "why"))
            self.assertFalse(await leases.settle(tx, old))
            self.assertFalse(await leases.renew(tx, evolve(old, fence=new.fence), 30), "another's number")
        self.assertEqual((await self.row(id))["holder"], OTHER)

    async def test_a_renewed_lease_stays(self) -> None:
        await self.make()
        lease = await self.claimed(seconds=-1)
        async with self.database.transaction() as tx:
            self.assertTrue(await leases.renew(tx, lease, 30))
        self.assertIsNone(await self.claim(OTHER))

    async def test_progress_is_recorded(self) -> None:
        id = await self.make()
        lease = await self.claimed()
        async with self.database.transaction() as tx:
            self.assertTrue(await leases.progress(tx, lease, "plug the VIP"))
        self.assertEqual((await self.row(id))["step"], "plug the VIP")

    async def test_what_is_applied_settles_until_the_next_change(self) -> None:
        id = await self.make()
        lease = await self.claimed()
        self.assertTrue(await self.settle(lease, applied=1))
        self.assertEqual((await self.row(id))["settled"], True)
        self.assertIsNone(await self.claim())
        await self.change(id)
        self.assertEqual((await self.claimed()).fence, 2)

    async def test_what_is_not_applied_is_due_again(self) -> None:
        await self.make()
        self.assertTrue(await self.settle(await self.claimed()))
        self.assertIsNotNone(await self.claim())

    async def test_a_change_under_the_lease_is_due_again(self) -> None:
        id = await self.make()
        lease = await self.claimed()
        await self.change(id)
        self.assertTrue(await self.settle(lease, applied=1))
        self.assertEqual((await self.claimed()).revision, 2)

    async def test_a_change_that_is_committed_while_settling_is_not_overlooked(self) -> None:
        id = await self.make()
        lease = await self.claimed()
        async with self.database.transaction() as tx:
            await load_balancers.applied(tx, id, 1)
        async with self.database.transaction() as tx:
            await load_balancers.change(tx, id)
            settling = Deferred.fromCoroutine(self.settle(lease))
            await tx.script("SELECT pg_sleep(0.1)")
            self.assertNoResult(settling)
        self.assertTrue(await settling)
        self.assertEqual((await self.row(id))["settled"], False)
        self.assertEqual((await self.claimed()).revision, 2)

    async def test_a_fact_under_the_lease_is_looked_at_again(self) -> None:
        id = await self.make()
        lease = await self.claimed()
        await self.wake(id)
        self.assertTrue(await self.settle(lease, applied=1))
        again = await self.claimed()
        self.assertTrue(await self.settle(again))
        self.assertIsNone(await self.claim())

    async def test_a_fact_wakes_what_was_settled(self) -> None:
        id = await self.make()
        await self.settle(await self.claimed(), applied=1)
        await self.wake(id)
        await self.claimed()

    async def test_a_failure_is_recorded_and_waits(self) -> None:
        id = await self.make()
        self.assertTrue(await self.postpone(await self.claimed(), 30))
        row = await self.row(id)
        self.assertEqual((row["attempts"], row["step"], row["last_error"]), (1, "boot", "no room"))
        self.assertIsNone(row["holder"])
        self.assertIsNone(await self.claim())
        await self.wake(id)
        again = await self.claimed()
        self.assertEqual(again.attempts, 1)
        self.assertTrue(await self.settle(again, applied=1))
        self.assertEqual((await self.row(id))["attempts"], 0)

    async def test_a_failure_is_due_at_its_time(self) -> None:
        await self.make()
        await self.postpone(await self.claimed(), 0)
        self.assertEqual((await self.claimed()).attempts, 1)

    async def test_what_came_under_the_lease_does_not_wait_for_a_failure(self) -> None:
        id = await self.make()
        for happen in (self.wake, self.change):
            lease = await self.claimed()
            await happen(id)
            await self.postpone(lease, 30)
        await self.claimed()

    async def test_pending_since_is_of_the_first_change_not_settled(self) -> None:
        id = await self.make()
        first = (await self.claimed(seconds=-1)).pending_since
        await self.change(id)
        again = await self.claimed()
        self.assertEqual(again.pending_since, first)
        await self.settle(again, applied=2)
        await self.change(id)
        self.assertGreater((await self.claimed()).pending_since, first)

    async def test_renewing_does_not_wait_for_a_tenants_open_transaction(self) -> None:
        id = await self.make()
        lease = await self.claimed()

        async def renew(tx: Transaction) -> bool:
            return await leases.renew(tx, lease, 30)

        async with self.database.transaction() as tenant:
            await tenant.fetch("load_balancer.taken_addresses", id=None, network_id=None)
            await load_balancers.update(tenant, load_balancer(id=id))
            async with self.database.transaction() as tx:
                self.assertTrue(await renew(tx))
