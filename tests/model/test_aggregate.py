from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.model.aggregate import Heard, ObjectKind, Statuses, aggregate, unheard
from octavia_tx.model.resources import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.statuses import OperatingStatus, ProvisioningStatus
from octavia_tx.model.tree import Tree
from octavia_tx.testing.strategies import trees

COMMON: dict[str, Any] = {"project_id": "p", "created_at": datetime(2030, 1, 1, tzinfo=UTC)}
BELOW: dict[str, Any] = {**COMMON, "load_balancer_id": "lb"}
ONLINE, OFFLINE, DEGRADED, ERROR, DRAINING, NO_MONITOR = (
    OperatingStatus[name] for name in ("ONLINE", "OFFLINE", "DEGRADED", "ERROR", "DRAINING", "NO_MONITOR")
)
MEMBER_WORDS = ["UP", "DOWN", "DRAIN", "MAINT", "no check"]


def tree(
    *members: Member,
    monitored: bool = True,
    load_balancer: dict[str, Any] | None = None,
    listener: dict[str, Any] | None = None,
    pool: dict[str, Any] | None = None,
    monitor: dict[str, Any] | None = None,
) -> Tree:
    """A load balancer with one listener, its pool, those members, and perhaps a monitor."""
    http: dict[str, Any] = {**BELOW, "protocol": "HTTP"}
    listeners = Listener(**http | {"id": "li", "protocol_port": 80, "default_pool_id": "po"} | (listener or {}))
    checks = {**BELOW, "id": "hm", "pool_id": "po", "type": "TCP", "delay": 1, "timeout": 1, "max_retries": 1}
    return Tree(
        load_balancer=LoadBalancer(**COMMON | {"id": "lb"} | (load_balancer or {})),
        listeners=(listeners,),
        pools=(Pool(**http | {"id": "po", "lb_algorithm": "ROUND_ROBIN"} | (pool or {})),),
        members=members,
        health_monitors=(HealthMonitor(**checks | (monitor or {})),) if monitored else (),
    )


def member(id: str, **given: Any) -> Member:
    return Member(**BELOW | {"id": id, "pool_id": "po", "address": "192.0.2.1", "protocol_port": 80} | given)


def heard(listener: str | None = "OPEN", **members: str) -> Heard:
    return Heard(listeners={} if listener is None else {"li": listener}, members=members)


def changed(tree: Tree, changes: dict[ObjectKind, Statuses]) -> Tree:
    """The tree as it is after the changes are written."""

    def all_of(kind: ObjectKind, items: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(evolve(i, operating_status=changes.get(kind, {}).get(i.id, i.operating_status)) for i in items)

    return Tree(
        load_balancer=all_of("load_balancer", [tree.load_balancer])[0],
        listeners=all_of("listener", tree.listeners),
        pools=all_of("pool", tree.pools),
        members=all_of("member", tree.members),
        health_monitors=tree.health_monitors,
        l7policies=tree.l7policies,
        l7rules=tree.l7rules,
    )


def after(tree: Tree, heard: Heard) -> dict[str, OperatingStatus]:
    """All operating statuses by id, once what was heard is written."""
    now = changed(tree, aggregate(tree, heard))
    items = (now.load_balancer, *now.listeners, *now.pools, *now.members)
    return {item.id: item.operating_status for item in items}


class Members(SynchronousTestCase):
    """From haproxy's word to a member's status."""

    def test_each_word_has_its_status(self) -> None:
        statuses = (ONLINE, ERROR, DRAINING, OFFLINE, NO_MONITOR)
        for word, status in zip(MEMBER_WORDS, statuses, strict=True):
            self.assertIs(after(tree(member("m", operating_status=ERROR)), heard(m=word))["m"], status, word)

    def test_one_that_is_disabled_is_offline_whatever_is_said(self) -> None:
        for word in MEMBER_WORDS:
            self.assertIs(after(tree(member("m", admin_state_up=False)), heard(m=word))["m"], OFFLINE)

    def test_one_without_weight_is_draining(self) -> None:
        for word in ("UP", "DRAIN", "no check"):
            self.assertIs(after(tree(member("m", weight=0)), heard(m=word))["m"], DRAINING, word)

    def test_one_without_weight_that_is_dead_is_in_error(self) -> None:
        self.assertIs(after(tree(member("m", weight=0)), heard(m="DOWN"))["m"], ERROR)

    def test_without_a_monitor_there_is_none_for_the_member(self) -> None:
        given = member("m", operating_status=ERROR)
        self.assertIs(after(tree(given, monitored=False), heard(m="no check"))["m"], NO_MONITOR)
        self.assertIs(after(tree(given, monitored=False), heard())["m"], NO_MONITOR)
        self.assertIs(after(tree(given, monitor={"admin_state_up": False}), heard())["m"], NO_MONITOR)
        pending = {"provisioning_status": ProvisioningStatus.PENDING_DELETE}
        self.assertIs(after(tree(given, monitor=pending), heard(m="DOWN"))["m"], NO_MONITOR)

    def test_one_that_nothing_is_said_of_stays_as_it_was(self) -> None:
        for status in OperatingStatus:
            self.assertIs(after(tree(member("m", operating_status=status)), heard())["m"], status)


class Unheard(SynchronousTestCase):
    """Members of which amphorae said nothing since they were made or changed."""

    def test_one_that_was_drained_and_has_weight_again_is_not_known_to_serve(self) -> None:
        drained = member("m", operating_status=DRAINING)
        self.assertIs(unheard(drained, monitored=True), OFFLINE)
        self.assertIs(unheard(drained, monitored=False), NO_MONITOR)
        self.assertIs(unheard(evolve(drained, weight=0), monitored=True), DRAINING)

    def test_one_that_serves_or_is_dead_stays_so(self) -> None:
        for status in (ONLINE, ERROR):
            self.assertIs(unheard(member("m", operating_status=status), monitored=True), status)
        self.assertIs(unheard(member("m", operating_status=ERROR, weight=0), monitored=True), ERROR)
        self.assertIs(unheard(member("m", operating_status=ERROR, admin_state_up=False), monitored=True), OFFLINE)


class Pools(SynchronousTestCase):
    """From members to their pool."""

    def pool(self, *words: str, **given: Any) -> OperatingStatus:
        members = [member(f"m{n}") for n in range(len(words))]
        return after(tree(*members, **given), heard(**{f"m{n}": word for n, word in enumerate(words)}))["po"]

    def test_it_is_online_when_no_member_fails(self) -> None:
        self.assertIs(self.pool("UP", "DRAIN", "no check"), ONLINE)

    def test_it_is_degraded_when_some_fail(self) -> None:
        self.assertIs(self.pool("UP", "DOWN"), DEGRADED)

    def test_it_is_in_error_when_all_fail(self) -> None:
        self.assertIs(self.pool("DOWN", "DOWN"), ERROR)

    def test_members_that_are_disabled_do_not_count(self) -> None:
        given = tree(member("off", admin_state_up=False), member("on"))
        self.assertIs(after(given, heard(on="DOWN"))["po"], ERROR)
        self.assertIs(after(tree(member("off", admin_state_up=False)), heard())["po"], ONLINE)

    def test_without_members_it_is_online(self) -> None:
        self.assertIs(self.pool(), ONLINE)

    def test_one_that_is_disabled_is_offline(self) -> None:
        self.assertIs(self.pool("UP", pool={"admin_state_up": False}), OFFLINE)

    def test_one_that_no_listener_uses_is_offline(self) -> None:
        self.assertIs(self.pool("UP", listener={"default_pool_id": None}), OFFLINE)
        self.assertIs(self.pool("UP", listener={"admin_state_up": False}), OFFLINE)


class Listeners(SynchronousTestCase):
    """From pools to listeners and the load balancer."""

    def test_all_is_online_when_all_is_well(self) -> None:
        statuses = after(tree(member("m")), heard(m="UP"))
        self.assertEqual(statuses, {"lb": ONLINE, "li": ONLINE, "po": ONLINE, "m": ONLINE})

    def test_all_is_online_without_members(self) -> None:
        self.assertEqual(after(tree(), heard()), {"lb": ONLINE, "li": ONLINE, "po": ONLINE})

    def test_the_worst_goes_up(self) -> None:
        given = tree(member("m"), member("n"))
        some = after(given, heard(m="UP", n="DOWN"))
        self.assertEqual((some["lb"], some["li"], some["po"]), (DEGRADED,) * 3)
        every = after(given, heard(m="DOWN", n="DOWN"))
        self.assertEqual((every["lb"], every["li"], every["po"]), (ERROR,) * 3)

    def test_one_that_is_full_is_degraded(self) -> None:
        statuses = after(tree(), heard("FULL"))
        self.assertEqual((statuses["lb"], statuses["li"], statuses["po"]), (DEGRADED, DEGRADED, ONLINE))

    def test_one_not_heard_of_yet_is_offline_and_harms_nothing(self) -> None:
        statuses = after(tree(member("m"), load_balancer={"applied_revision": 1}), heard(None))
        self.assertEqual((statuses["lb"], statuses["li"], statuses["po"]), (ONLINE, OFFLINE, OFFLINE))

    def test_one_that_is_disabled_is_offline_and_harms_nothing(self) -> None:
        given = tree(member("m"), listener={"admin_state_up": False, "operating_status": ONLINE})
        statuses = after(given, Heard(running=True, members={"m": "DOWN"}))
        self.assertEqual((statuses["lb"], statuses["li"]), (ONLINE, OFFLINE))

    def test_a_pool_that_is_disabled_harms_nothing(self) -> None:
        statuses = after(tree(member("m"), pool={"admin_state_up": False}), heard(m="DOWN"))
        self.assertEqual((statuses["lb"], statuses["li"], statuses["po"]), (ONLINE, ONLINE, OFFLINE))

    def test_a_load_balancer_that_is_disabled_is_offline_with_its_listeners(self) -> None:
        given = tree(load_balancer={"admin_state_up": False}, listener={"operating_status": ONLINE})
        statuses = after(given, Heard(running=True))
        self.assertEqual((statuses["lb"], statuses["li"]), (OFFLINE, OFFLINE))

    def test_a_load_balancer_alone_is_online_once_it_runs(self) -> None:
        alone = Tree(load_balancer=tree().load_balancer)
        self.assertIs(after(alone, Heard())["lb"], OFFLINE)
        self.assertIs(after(alone, Heard(running=True))["lb"], ONLINE)
        applied = evolve(alone, load_balancer=evolve(alone.load_balancer, applied_revision=1))
        self.assertIs(after(applied, Heard())["lb"], ONLINE)

    def test_what_is_on_its_way_out_does_not_count(self) -> None:
        going = member("m", provisioning_status=ProvisioningStatus.PENDING_DELETE, operating_status=ERROR)
        statuses = after(tree(going, member("n")), heard(m="DOWN", n="UP"))
        self.assertEqual((statuses["m"], statuses["po"]), (ERROR, ONLINE))


class Policies(SynchronousTestCase):
    """Pools that L7 policies use."""

    def redirecting(
        self, *, policy: dict[str, Any] | None = None, rule: dict[str, Any] | None = None, **given: Any
    ) -> Tree:
        """The listener's default pool has member m; a policy redirects to pool p2, which has member n."""
        to = {"id": "l7", "listener_id": "li", "action": "REDIRECT_TO_POOL", "redirect_pool_id": "p2"}
        condition = {"id": "ru", "l7policy_id": "l7", "type": "PATH", "compare_type": "EQUAL_TO", "value": "/"}
        known = tree(member("m"), member("n", pool_id="p2"), **given)
        other = Pool(**BELOW, id="p2", protocol="HTTP", lb_algorithm="ROUND_ROBIN")
        check = evolve(known.health_monitors[0], id="h2", pool_id="p2")
        return evolve(
            known,
            pools=(*known.pools, other),
            health_monitors=(*known.health_monitors, check),
            l7policies=(L7Policy(**BELOW | to | (policy or {})),),
            l7rules=(L7Rule(**BELOW | condition | (rule or {})),),
        )

    def test_a_pool_that_a_policy_uses_is_online(self) -> None:
        for default in ("po", None):
            given = self.redirecting(listener={"default_pool_id": default})
            statuses = after(given, heard(m="UP", n="UP"))
            self.assertEqual((statuses["p2"], statuses["po"]), (ONLINE, ONLINE if default else OFFLINE))

    def test_the_worst_of_all_pools_goes_up(self) -> None:
        for m, n in (("UP", "DOWN"), ("DOWN", "UP")):
            statuses = after(self.redirecting(), heard(m=m, n=n))
            self.assertEqual((statuses["li"], statuses["lb"]), (ERROR, ERROR))
        statuses = after(self.redirecting(listener={"default_pool_id": None}), heard(m="DOWN", n="UP"))
        self.assertEqual((statuses["li"], statuses["lb"]), (ONLINE, ONLINE))

    def test_a_pool_that_no_policy_in_force_uses_is_offline_and_harms_nothing(self) -> None:
        going = {"provisioning_status": ProvisioningStatus.PENDING_DELETE}
        for shown in (
            self.redirecting(policy={"admin_state_up": False}),
            self.redirecting(rule={"admin_state_up": False}),
            self.redirecting(policy=going),
            self.redirecting(rule=going),
        ):
            statuses = after(shown, heard(m="UP", n="DOWN"))
            self.assertEqual((statuses["p2"], statuses["lb"]), (OFFLINE, ONLINE))
        off = self.redirecting(listener={"admin_state_up": False})
        self.assertIs(after(off, heard(m="UP", n="DOWN"))["p2"], OFFLINE)


class AnyTree(SynchronousTestCase):
    """What holds for all trees and all words."""

    @given(trees(), st.data())
    def test_written_once_there_is_nothing_more_to_write(self, tree: Tree, data: st.DataObject) -> None:
        words = st.sampled_from([*MEMBER_WORDS, None])
        members = {m.id: word for m in tree.members if (word := data.draw(words)) is not None}
        listeners = {i.id: word for i in tree.listeners if (word := data.draw(st.sampled_from(["OPEN", "FULL", None])))}
        said = Heard(listeners=listeners, members=members, running=data.draw(st.booleans()))
        self.assertEqual(aggregate(changed(tree, aggregate(tree, said)), said), {})

    @given(trees())
    def test_silence_makes_nothing_worse(self, tree: Tree) -> None:
        """A receiver that has just started knows no words; what others wrote stays."""
        members = {m.id: "UP" for m in tree.members}
        said = Heard(listeners={i.id: "OPEN" for i in tree.listeners}, members=members, running=True)
        written = changed(tree, aggregate(tree, said))
        self.assertEqual(aggregate(written, Heard()), {})
