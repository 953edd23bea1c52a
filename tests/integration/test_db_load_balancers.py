"""Load balancers in a real database: what is written is read again, and revisions, statuses and notices are right."""

from __future__ import annotations

from datetime import timedelta

from attrs import evolve
from twisted.internet.defer import Deferred, gatherResults

from octavia_tx.db import amphorae, health_monitors, listeners, load_balancers, members, operating, pools
from octavia_tx.db.database import Database
from octavia_tx.errors import BeingDeleted, Conflict, NotFound
from octavia_tx.model.amphora import Vip
from octavia_tx.model.resources import AdditionalVip, LoadBalancer
from octavia_tx.model.statuses import OperatingStatus
from octavia_tx.model.statuses import ProvisioningStatus as Status
from octavia_tx.model.tree import Tree
from tests.db.values import NOW, amphora, health_monitor, listener, load_balancer, member, new_id, pool, tree
from tests.integration.postgres import PostgresCase


async def inserted(database: Database, given: Tree) -> Tree:
    """Write a tree, and say how it reads."""
    async with database.transaction() as tx:
        await load_balancers.insert(tx, given)
    return await read(database, given.load_balancer.id)


async def read(database: Database, id: str) -> Tree:
    """The tree as it stands."""
    async with database.transaction() as tx:
        found = await load_balancers.tree(tx, id)
    assert found is not None
    return found


def statuses(found: Tree) -> dict[str, Status]:
    """Every object's provisioning status, by id."""
    top = found.load_balancer
    below = (*found.listeners, *found.pools, *found.members, *found.health_monitors)
    return {top.id: top.provisioning_status, **{each.id: each.provisioning_status for each in below}}


class WritingTests(PostgresCase):
    async def test_a_tree_reads_as_it_was_written(self) -> None:
        given = tree(vip_address="192.0.2.7", vip_subnet_id=new_id())
        found = await inserted(self.database, given)
        top = evolve(given.load_balancer, listener_ids=(given.listeners[0].id,), pool_ids=(given.pools[0].id,))
        self.assertEqual(found.load_balancer, top)
        self.assertEqual(found.listeners, given.listeners)
        self.assertEqual(set(found.members), set(given.members))
        self.assertEqual(found.health_monitors, given.health_monitors)
        expected = evolve(
            given.pools[0],
            health_monitor_id=given.health_monitors[0].id,
            listener_ids=(given.listeners[0].id,),
            member_ids=tuple(sorted(each.id for each in given.members)),
        )
        self.assertEqual(found.pools, (expected,))

    async def test_one_without_anything_reads_as_it_was_written(self) -> None:
        plain = LoadBalancer(id=new_id(), project_id="p", created_at=NOW)
        self.assertEqual(await inserted(self.database, Tree(load_balancer=plain)), Tree(load_balancer=plain))

    async def test_all_or_nothing_of_a_tree_is_written(self) -> None:
        given = tree()
        twice = evolve(given, listeners=(*given.listeners, listener(given.load_balancer)))
        with self.assertRaises(Conflict) as caught:
            await inserted(self.database, twice)
        self.assertIn("protocol and port", str(caught.exception))
        async with self.database.transaction() as tx:
            self.assertIsNone(await load_balancers.get(tx, given.load_balancer.id))
            self.assertIsNone(await pools.get(tx, given.pools[0].id))

    async def test_they_are_found_by_project_the_oldest_first(self) -> None:
        made = [
            load_balancer(project_id=p, created_at=NOW.replace(year=y))
            for p, y in (("a", 2033), ("a", 2031), ("b", 2032))
        ]
        for each in made:
            await inserted(self.database, Tree(load_balancer=each))
        async with self.database.transaction() as tx:
            self.assertEqual([b.id for b in await load_balancers.find(tx, project_id="a")], [made[1].id, made[0].id])
            self.assertEqual([b.id for b in await load_balancers.find(tx)], [made[1].id, made[2].id, made[0].id])
            self.assertEqual(await load_balancers.find(tx, project_id="c' OR 'a'='a"), ())

    async def test_what_is_no_id_names_nothing(self) -> None:
        async with self.database.transaction() as tx:
            for id in ("", "x", "' OR 1=1 --", new_id()):
                self.assertIsNone(await load_balancers.get(tx, id))
                self.assertIsNone(await load_balancers.tree(tx, id))
                for repository in (listeners, pools, members, health_monitors, amphorae):
                    self.assertIsNone(await repository.get(tx, id))
                for call in (load_balancers.change, load_balancers.delete):
                    with self.assertRaises(NotFound):
                        await call(tx, id)

    async def test_what_a_tenant_may_change_is_written_and_nothing_else(self) -> None:
        before = (await inserted(self.database, Tree(load_balancer=load_balancer()))).load_balancer
        wanted = evolve(
            before, name="n", description="d", admin_state_up=False, tags=("x",), vip_qos_policy_id=None, vip_sg_ids=()
        )
        async with self.database.transaction() as tx:
            await load_balancers.update(tx, evolve(wanted, provider="other", revision=9, project_id="other"))
        self.assertEqual((await read(self.database, before.id)).load_balancer, wanted)

    async def test_the_vip_is_recorded_and_held_by_one_only(self) -> None:
        first = (await inserted(self.database, tree())).load_balancer
        second = (await inserted(self.database, Tree(load_balancer=load_balancer(additional_vips=())))).load_balancer
        vip = Vip(address="192.0.2.9", port_id=new_id(), subnet_id=new_id(), network_id=new_id())
        async with self.database.transaction() as tx:
            await load_balancers.record_vip(tx, first.id, vip, first.additional_vips)
        with self.assertRaises(Conflict) as caught:
            async with self.database.transaction() as tx:
                await load_balancers.record_vip(tx, second.id, vip, ())
        self.assertIn("VIP", str(caught.exception))
        found = (await read(self.database, first.id)).load_balancer
        self.assertEqual(
            (found.vip_address, found.vip_port_id, found.vip_subnet_id, found.vip_network_id),
            (vip.address, vip.port_id, vip.subnet_id, vip.network_id),
        )
        async with self.database.transaction() as tx:
            self.assertEqual(await load_balancers.taken_addresses(tx, None, None), {"192.0.2.9", "2001:db8::7"})
            self.assertEqual(await load_balancers.taken_addresses(tx, first.id, None), set())
            self.assertEqual(
                await load_balancers.taken_addresses(tx, second.id, vip.network_id, ["192.0.2.9"]), {"192.0.2.9"}
            )

    async def test_additional_vips_are_held_by_one_only_and_count_as_vips_do(self) -> None:
        first = (await inserted(self.database, Tree(load_balancer=load_balancer(additional_vips=())))).load_balancer
        second = (await inserted(self.database, Tree(load_balancer=load_balancer(additional_vips=())))).load_balancer
        vip = Vip(address="192.0.2.9", port_id=new_id(), subnet_id=new_id(), network_id=new_id())
        further = AdditionalVip(ip_address="2001:db8::9", port_id=new_id(), subnet_id=new_id())
        async with self.database.transaction() as tx:
            await load_balancers.record_vip(tx, first.id, vip, (further,))
        self.assertEqual((await read(self.database, first.id)).load_balancer.additional_vips, (further,))
        other = evolve(vip, address="192.0.2.10")
        for wrong in (
            (evolve(vip, address="2001:db8::9"), ()),
            (other, (evolve(further, ip_address="192.0.2.9"),)),
            (other, (further,)),
        ):
            with self.assertRaises(Conflict):
                async with self.database.transaction() as tx:
                    await load_balancers.record_vip(tx, second.id, *wrong)
        async with self.database.transaction() as tx:
            await load_balancers.record_vip(tx, second.id, other, ())

    async def test_another_network_may_have_the_same_addresses(self) -> None:
        both = [load_balancer(vip_address=None, vip_subnet_id=None, additional_vips=()) for _ in range(2)]
        for each in both:
            vip = Vip(address="192.0.2.9", port_id=new_id(), subnet_id=new_id(), network_id=new_id())
            further = AdditionalVip(ip_address="2001:db8::9", port_id=new_id(), subnet_id=new_id())
            await inserted(self.database, Tree(load_balancer=each))
            async with self.database.transaction() as tx:
                await load_balancers.record_vip(tx, each.id, vip, (further,))

    async def test_two_who_record_the_same_address_at_once_do_not_both_get_it(self) -> None:
        first = (await inserted(self.database, Tree(load_balancer=load_balancer(additional_vips=())))).load_balancer
        second = (await inserted(self.database, Tree(load_balancer=load_balancer(additional_vips=())))).load_balancer
        vip = Vip(address="192.0.2.9", port_id=new_id(), subnet_id=new_id(), network_id=new_id())
        further = AdditionalVip(ip_address="192.0.2.9", port_id=new_id(), subnet_id=new_id())

        async def late() -> None:
            async with self.database.transaction() as tx:
                await load_balancers.record_vip(tx, second.id, evolve(vip, address="192.0.2.1"), (further,))

        async with self.database.transaction() as tx:
            await load_balancers.record_vip(tx, first.id, vip, ())
            waiting = Deferred.fromCoroutine(late())
        await self.assertFailure(waiting, Conflict)

    async def test_of_two_who_ask_for_an_address_the_first_has_it(self) -> None:
        asked = {"vip_address": None, "additional_vips": ({"ip_address": "2001:DB8::0:9"},)}
        first = (await inserted(self.database, Tree(load_balancer=load_balancer(**asked)))).load_balancer
        later = load_balancer(**asked, created_at=first.created_at + timedelta(seconds=1))
        second = (await inserted(self.database, Tree(load_balancer=later))).load_balancer
        async with self.database.transaction() as tx:
            self.assertEqual(await load_balancers.taken_addresses(tx, first.id, None), set())
            self.assertEqual(await load_balancers.taken_addresses(tx, second.id, None), {"2001:db8::9"})


class ChangingTests(PostgresCase):
    async def applied(self, given: Tree) -> Tree:
        await inserted(self.database, given)
        async with self.database.transaction() as tx:
            await load_balancers.applied(tx, given.load_balancer.id, 1)
        return await read(self.database, given.load_balancer.id)

    async def test_the_first_applied_revision_makes_everything_active(self) -> None:
        found = await self.applied(tree())
        self.assertEqual(set(statuses(found).values()), {Status.ACTIVE})
        self.assertEqual((found.load_balancer.revision, found.load_balancer.applied_revision), (1, 1))

    async def test_a_change_raises_the_revision_and_is_pending(self) -> None:
        before = (await self.applied(tree())).load_balancer
        async with self.database.transaction() as tx:
            changed = await load_balancers.change(tx, before.id)
        self.assertEqual(changed.revision, 2)
        self.assertIs(changed.provisioning_status, Status.PENDING_UPDATE)
        self.assertIsNotNone(changed.updated_at)
        after = (await read(self.database, before.id)).load_balancer
        self.assertEqual(evolve(after, listener_ids=(), pool_ids=()), changed)

    async def test_a_change_before_the_first_was_applied_is_still_a_creation(self) -> None:
        made = (await inserted(self.database, tree())).load_balancer
        async with self.database.transaction() as tx:
            changed = await load_balancers.change(tx, made.id)
        self.assertIs(changed.provisioning_status, Status.PENDING_CREATE)

    async def test_changes_at_the_same_time_each_raise_the_revision(self) -> None:
        made = (await inserted(self.database, tree())).load_balancer

        async def change() -> int:
            async with self.database.transaction() as tx:
                return (await load_balancers.change(tx, made.id)).revision

        revisions = await gatherResults([Deferred.fromCoroutine(change()) for _ in range(8)])
        self.assertEqual(sorted(revisions), [2, 3, 4, 5, 6, 7, 8, 9])

    async def test_whoever_locked_a_tree_first_writes_to_its_parts_in_any_order(self) -> None:
        made = await inserted(self.database, tree())
        id, parts = made.load_balancer.id, [each.id for each in made.members]

        async def report(order: list[str]) -> None:
            async with self.database.transaction() as tx:
                await load_balancers.lock(tx, [id, new_id()])
                for part in order:
                    await operating.record(tx, "member", {part: OperatingStatus.ONLINE})
                    await tx.script("SELECT pg_sleep(0.02)")

        async def change(order: list[str]) -> None:
            async with self.database.transaction() as tx:
                revision = (await load_balancers.change(tx, id)).revision
                for part in order:
                    await members.delete(tx, part, revision)

        both = (report(parts), report(parts[::-1]), change(parts), change(parts[::-1]))
        await gatherResults([Deferred.fromCoroutine(each) for each in both])
        found = await read(self.database, id)
        self.assertEqual({each.operating_status for each in found.members}, {OperatingStatus.ONLINE})
        self.assertEqual({each.provisioning_status for each in found.members}, {Status.PENDING_DELETE})

    async def test_what_changed_later_stays_pending_when_an_earlier_revision_is_applied(self) -> None:
        before = await self.applied(tree())
        top, its_pool = before.load_balancer, before.pools[0]
        async with self.database.transaction() as tx:
            await load_balancers.change(tx, top.id)
            early = member(its_pool, address="192.0.2.20", revision=2)
            await members.insert(tx, early)
            await members.delete(tx, before.members[0].id, 2)
        async with self.database.transaction() as tx:
            await load_balancers.change(tx, top.id)
            late = member(its_pool, address="192.0.2.21", revision=3)
            await members.insert(tx, late)
            await members.delete(tx, before.members[1].id, 3)
        async with self.database.transaction() as tx:
            await load_balancers.applied(tx, top.id, 2)
        found = statuses(await read(self.database, top.id))
        self.assertIs(found[early.id], Status.ACTIVE)
        self.assertNotIn(before.members[0].id, found)
        self.assertIs(found[late.id], Status.PENDING_CREATE)
        self.assertIs(found[before.members[1].id], Status.PENDING_DELETE)
        self.assertIs(found[top.id], Status.PENDING_UPDATE)
        async with self.database.transaction() as tx:
            await load_balancers.applied(tx, top.id, 3)
        found = statuses(await read(self.database, top.id))
        self.assertEqual(set(found.values()), {Status.ACTIVE})
        self.assertNotIn(before.members[1].id, found)

    async def test_an_applied_revision_never_goes_back(self) -> None:
        top = (await self.applied(tree())).load_balancer
        for revision in (2, 1):
            async with self.database.transaction() as tx:
                await load_balancers.applied(tx, top.id, revision)
        self.assertEqual((await read(self.database, top.id)).load_balancer.applied_revision, 2)

    async def test_a_failure_is_told_and_the_next_success_forgets_it(self) -> None:
        top = (await inserted(self.database, tree())).load_balancer
        async with self.database.transaction() as tx:
            await load_balancers.failed(tx, top.id, "haproxy: it's no good, 100%")
        found = await read(self.database, top.id)
        self.assertEqual(set(statuses(found).values()), {Status.ERROR})
        self.assertEqual(found.load_balancer.error, "haproxy: it's no good, 100%")
        async with self.database.transaction() as tx:
            await load_balancers.applied(tx, top.id, 1)
        found = await read(self.database, top.id)
        self.assertEqual(set(statuses(found).values()), {Status.ACTIVE})
        self.assertIsNone(found.load_balancer.error)

    async def test_a_failure_leaves_what_is_active_or_being_deleted(self) -> None:
        before = await self.applied(tree())
        async with self.database.transaction() as tx:
            await load_balancers.change(tx, before.load_balancer.id)
            await members.delete(tx, before.members[0].id, 2)
            await load_balancers.failed(tx, before.load_balancer.id, "no")
        found = statuses(await read(self.database, before.load_balancer.id))
        self.assertIs(found[before.load_balancer.id], Status.ERROR)
        self.assertIs(found[before.members[0].id], Status.PENDING_DELETE)
        self.assertIs(found[before.members[1].id], Status.ACTIVE)


class DeletingTests(PostgresCase):
    async def test_the_whole_tree_is_on_its_way_out_at_one_revision(self) -> None:
        made = await inserted(self.database, tree())
        async with self.database.transaction() as tx:
            await load_balancers.delete(tx, made.load_balancer.id)
        found = await read(self.database, made.load_balancer.id)
        self.assertEqual(set(statuses(found).values()), {Status.PENDING_DELETE})
        self.assertEqual({found.load_balancer.revision, *(each.revision for each in found.members)}, {2})

    async def test_it_accepts_no_change_any_more_but_a_second_deletion(self) -> None:
        id = (await inserted(self.database, tree())).load_balancer.id
        for _ in range(2):
            async with self.database.transaction() as tx:
                await load_balancers.delete(tx, id)
        with self.assertRaises(BeingDeleted):
            async with self.database.transaction() as tx:
                await load_balancers.change(tx, id)
        self.assertEqual((await read(self.database, id)).load_balancer.revision, 2)

    async def test_a_failure_does_not_bring_it_back(self) -> None:
        id = (await inserted(self.database, tree())).load_balancer.id
        async with self.database.transaction() as tx:
            await load_balancers.delete(tx, id)
            await load_balancers.failed(tx, id, "compute is away")
        found = await read(self.database, id)
        self.assertEqual(set(statuses(found).values()), {Status.PENDING_DELETE})
        self.assertEqual(found.load_balancer.error, "compute is away")

    async def test_it_is_forgotten_with_all_below_once_its_amphorae_are_gone(self) -> None:
        made = await inserted(self.database, tree())
        id = made.load_balancer.id
        serving = amphora(load_balancer_id=id)
        async with self.database.transaction() as tx:
            await amphorae.insert(tx, serving)
        with self.assertRaises(Conflict) as caught:
            async with self.database.transaction() as tx:
                await load_balancers.forget(tx, id)
        self.assertIn("amphorae", str(caught.exception))
        async with self.database.transaction() as tx:
            await amphorae.forget(tx, serving.id)
            await load_balancers.forget(tx, id)
            self.assertIsNone(await load_balancers.get(tx, id))
            self.assertEqual(await members.find(tx), ())
            self.assertEqual(await health_monitors.find(tx), ())


class NoticeTests(PostgresCase):
    async def test_controllers_hear_of_each_kind_of_work(self) -> None:
        heard: list[str] = []
        more: list[Deferred[None]] = []

        def hear(payload: str) -> None:
            heard.append(payload)
            waiting, more[:] = more[:], []  # who is told may wait again at once
            for told in waiting:
                told.callback(None)

        await self.database.listen("octavia_tx_work", hear)
        id = (await inserted(self.database, tree())).load_balancer.id
        async with self.database.transaction() as tx:
            await load_balancers.change(tx, id)
            await load_balancers.change(tx, id)
        async with self.database.transaction() as tx:
            await load_balancers.delete(tx, id)
        while len(heard) < 4:
            more.append(Deferred())
            await more[-1]
        self.assertEqual(heard, ["", id, id, id])


class PartsTests(PostgresCase):
    async def test_each_part_reads_as_it_was_written_alone(self) -> None:
        top = load_balancer()
        await inserted(self.database, Tree(load_balancer=top))
        its_pool = pool(top, session_persistence=None, tls_versions=("TLSv1.2",))
        parts = (
            (pools, its_pool),
            (listeners, listener(top, allowed_cidrs=None, hsts_max_age=5)),
            (members, member(its_pool, subnet_id=new_id(), backup=True)),
            (health_monitors, health_monitor(its_pool, http_version=None)),
        )
        for repository, part in parts:
            async with self.database.transaction() as tx:
                await repository.insert(tx, part)
            async with self.database.transaction() as tx:
                self.assertEqual(await repository.get(tx, part.id), part)
                self.assertEqual(await repository.find(tx, project_id=top.project_id), (part,))
                self.assertEqual(await repository.find(tx, project_id="other"), ())
                self.assertEqual(await repository.find(tx, load_balancer_id=top.id), (part,))
                self.assertEqual(await repository.find(tx, load_balancer_id=new_id()), ())

    async def test_members_are_found_by_pool(self) -> None:
        made = await inserted(self.database, tree())
        async with self.database.transaction() as tx:
            self.assertEqual(set(await members.find(tx, pool_id=made.pools[0].id)), set(made.members))
            self.assertEqual(await members.find(tx, pool_id=new_id()), ())

    async def test_what_a_tenant_may_change_is_written_and_nothing_else(self) -> None:
        made = await inserted(self.database, tree())
        done = {"provisioning_status": Status.PENDING_UPDATE, "revision": 2, "updated_at": NOW, "name": "n", "tags": ()}
        listed = evolve(made.listeners[0], **done, default_pool_id=None, insert_headers={}, allowed_cidrs=None)
        pooled = evolve(made.pools[0], **done, session_persistence=None, lb_algorithm="SOURCE_IP", listener_ids=())
        manned = evolve(made.members[0], **done, weight=0, backup=True, monitor_address=None, monitor_port=1)
        watched = evolve(made.health_monitors[0], **done, delay=9, http_version=1.0, url_path="/'\"")
        for repository, wanted, immutable in (
            (listeners, listed, {"protocol_port": 1, "project_id": "other", "operating_status": "ERROR"}),
            (pools, pooled, {"protocol": "TCP", "operating_status": "ERROR"}),
            (members, manned, {"address": "192.0.2.99", "protocol_port": 1, "operating_status": "ERROR"}),
            (health_monitors, watched, {"type": "TCP", "operating_status": "ERROR"}),
        ):
            async with self.database.transaction() as tx:
                await repository.update(tx, evolve(wanted, **immutable))
            async with self.database.transaction() as tx:
                self.assertEqual(await repository.get(tx, wanted.id), wanted)

    async def test_what_is_taken_is_told_and_free_again_once_it_is_being_deleted(self) -> None:
        made = await inserted(self.database, tree())
        for repository, first, second, word in (
            (listeners, made.listeners[0], listener(made.load_balancer), "protocol and port"),
            (members, made.members[0], member(made.pools[0], address=made.members[0].address), "address and port"),
            (health_monitors, made.health_monitors[0], health_monitor(made.pools[0]), "health monitor already"),
        ):
            with self.assertRaises(Conflict) as caught:
                async with self.database.transaction() as tx:
                    await repository.insert(tx, second)
            self.assertIn(word, str(caught.exception))
            async with self.database.transaction() as tx:
                await repository.delete(tx, first.id, 2)
                await repository.insert(tx, second)

    async def test_tcp_and_udp_share_a_port(self) -> None:
        top = (await inserted(self.database, tree())).load_balancer
        async with self.database.transaction() as tx:
            await listeners.insert(tx, listener(top, protocol="UDP"))
        with self.assertRaises(Conflict):
            async with self.database.transaction() as tx:
                await listeners.insert(tx, listener(top, protocol="TERMINATED_HTTPS"))

    async def test_a_deleted_part_is_seen_until_it_is_gone(self) -> None:
        made = await inserted(self.database, tree())
        top = made.load_balancer
        async with self.database.transaction() as tx:
            await listeners.delete(tx, made.listeners[0].id, 2)
            await health_monitors.delete(tx, made.health_monitors[0].id, 2)
        found = await read(self.database, top.id)
        self.assertIs(found.listeners[0].provisioning_status, Status.PENDING_DELETE)
        self.assertEqual(found.load_balancer.listener_ids, (made.listeners[0].id,))
        self.assertIs(found.health_monitors[0].provisioning_status, Status.PENDING_DELETE)
        self.assertEqual(found.health_monitors[0].revision, 2)

    async def test_a_deleted_pool_takes_its_own_along_and_frees_its_listeners(self) -> None:
        made = await inserted(self.database, tree())
        its_pool = made.pools[0]
        async with self.database.transaction() as tx:
            await load_balancers.applied(tx, made.load_balancer.id, 1)
            changed = await load_balancers.change(tx, made.load_balancer.id)
            await pools.delete(tx, its_pool.id, changed.revision)
        found = await read(self.database, made.load_balancer.id)
        for each in (*found.pools, *found.members, *found.health_monitors):
            self.assertIs(each.provisioning_status, Status.PENDING_DELETE)
            self.assertEqual(each.revision, 2)
        self.assertIsNone(found.listeners[0].default_pool_id)
        self.assertIs(found.listeners[0].provisioning_status, Status.PENDING_UPDATE)
        async with self.database.transaction() as tx:
            await load_balancers.applied(tx, made.load_balancer.id, 2)
        found = await read(self.database, made.load_balancer.id)
        self.assertEqual((found.pools, found.members, found.health_monitors), ((), (), ()))
        self.assertEqual(set(statuses(found).values()), {Status.ACTIVE})

    async def test_a_listener_may_name_a_pool_of_the_same_transaction_and_no_other(self) -> None:
        top = (await inserted(self.database, tree())).load_balancer
        later = pool(top)
        async with self.database.transaction() as tx:
            await listeners.insert(tx, listener(top, protocol_port=81, default_pool_id=later.id))
            await pools.insert(tx, later)
        with self.assertRaises(Conflict) as caught:
            async with self.database.transaction() as tx:
                await listeners.insert(tx, listener(top, protocol_port=82, default_pool_id=new_id()))
        self.assertIn("default pool", str(caught.exception))
