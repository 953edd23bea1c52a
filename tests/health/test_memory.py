from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.health.journal import News
from octavia_tx.health.memory import Memory
from octavia_tx.health.receiver import Origin
from octavia_tx.health.registry import Registry
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.resources import Listener, LoadBalancer
from octavia_tx.model.statuses import AmphoraState, ProvisioningStatus
from octavia_tx.model.tree import Tree
from octavia_tx.wire.envelope import Header, Kind

CREATED_AT = datetime(2030, 1, 1, tzinfo=UTC)
ONE = Amphora(id="one", load_balancer_id="lb", state=AmphoraState.ALLOCATED, created_at=CREATED_AT)
TWO = evolve(ONE, id="two")
LOAD_BALANCER = LoadBalancer(
    id="lb", project_id="p", provisioning_status=ProvisioningStatus.ACTIVE, created_at=CREATED_AT
)
TREE = Tree(
    load_balancer=LOAD_BALANCER,
    listeners=(
        Listener(
            id="li", project_id="p", load_balancer_id="lb", protocol="HTTP", protocol_port=80, created_at=CREATED_AT
        ),
    ),
)


def news(member: str = "UP", listener: str = "OPEN", at: float = 0.0) -> News:
    return News(at=at, listeners={"li": ((at, 0), listener)}, members={"m": ((at, 0), member)}, load_balancers={"lb"})


class MemoryCase(SynchronousTestCase):
    """A load balancer whose statuses were made up already."""

    def setUp(self) -> None:
        self.registry = Registry()
        self.registry.replace([ONE, TWO])
        self.memory = Memory(self.registry)
        self.assertEqual(self.memory.take_in({"one": news()}, 0.0), {"lb"})
        self.memory.made_up(TREE)

    def due(self, amphora_id: str = "one", now: float = 1.0, **given: str) -> bool:
        return self.memory.take_in({amphora_id: news(**given, at=now)}, now) == {"lb"}

    def test_the_same_words_are_no_news(self) -> None:
        self.assertFalse(self.due())

    def test_another_word_is(self) -> None:
        self.assertTrue(self.due(member="DOWN"))
        self.assertFalse(self.due(member="DOWN"))
        self.assertTrue(self.due(member="DOWN", listener="FULL"))

    def test_a_load_balancer_that_was_changed_is_made_up_again_once(self) -> None:
        for which in ("lb", ""):
            self.memory.changed(which)
            self.assertTrue(self.due())
            self.assertFalse(self.due())

    def test_another_load_balancers_change_does_not_matter(self) -> None:
        self.memory.changed("other")
        self.assertFalse(self.due())

    def test_one_that_is_changed_while_it_is_made_up_is_made_up_again(self) -> None:
        self.assertTrue(self.due(member="DOWN"))
        self.memory.changed("lb")
        self.memory.made_up(TREE)
        self.assertTrue(self.due(member="DOWN"))

    def test_while_a_change_is_being_applied_each_heartbeat_counts(self) -> None:
        pending = evolve(LOAD_BALANCER, provisioning_status=ProvisioningStatus.PENDING_UPDATE)
        self.memory.made_up(evolve(TREE, load_balancer=pending))
        self.assertTrue(self.due())
        self.memory.made_up(TREE)
        self.assertFalse(self.due())

    def test_an_alert_counts_even_if_it_says_nothing_new_here(self) -> None:
        alert = news()
        alert.alerts.append(Origin(Header("one", "boot", 1, 0.0, Kind.ALERT), ("192.0.2.1", 1)))
        self.assertEqual(self.memory.take_in({"one": alert}, 1.0), {"lb"})

    def behind(self, now: float, **revisions: Any) -> bool:
        """Whether work waits, by a heartbeat of then."""
        status = revisions.pop("status", ProvisioningStatus.PENDING_UPDATE)
        self.memory.changed("lb")
        self.memory.take_in({"one": news(at=now)}, now)
        load_balancer = evolve(LOAD_BALANCER, provisioning_status=status, **revisions)
        self.memory.made_up(evolve(TREE, load_balancer=load_balancer))
        return self.memory.waits("one")

    def test_work_waits_when_no_controller_pushes_it_for_a_while(self) -> None:
        self.assertFalse(self.behind(1.0, revision=2, applied_revision=1))
        self.assertFalse(self.behind(2.0, revision=2, applied_revision=1))
        self.assertTrue(self.behind(3.0, revision=3, applied_revision=1))
        self.assertFalse(self.behind(4.0, revision=3, applied_revision=3))

    def test_none_waits_as_long_as_one_push_follows_the_other(self) -> None:
        for revision in range(2, 20):
            self.assertFalse(self.behind(revision - 1.0, revision=revision, applied_revision=revision - 1))

    def test_none_waits_for_an_amphora_that_does_not_serve_any_more_or_for_a_deletion(self) -> None:
        deleting = ProvisioningStatus.PENDING_DELETE
        for now in (1.0, 9.0):
            self.assertFalse(self.behind(now, revision=3, applied_revision=1, status=deleting))
        for now in (10.0, 19.0):
            self.behind(now, revision=3, applied_revision=1)
        self.assertTrue(self.memory.waits("one"))
        self.registry.replace([evolve(ONE, state=AmphoraState.DRAINING), TWO])
        self.assertFalse(self.memory.waits("one"))

    def test_after_a_minute_it_is_made_up_in_any_case(self) -> None:
        self.assertFalse(self.due(now=59))
        self.assertTrue(self.due(now=60))
        self.assertFalse(self.due(now=61))

    def test_listeners_are_remembered_while_it_is_made_up_again(self) -> None:
        self.assertEqual(self.memory.listener_ids("lb"), {"li"})
        self.assertTrue(self.due(member="DOWN"))
        self.assertEqual(self.memory.listener_ids("lb"), {"li"})

    def test_the_amphora_heard_last_is_believed(self) -> None:
        self.due("two", now=5, member="DOWN")
        heard = self.memory.heard("lb")
        self.assertEqual((heard.members, heard.listeners, heard.running), ({"m": "DOWN"}, {"li": "OPEN"}, True))
        self.due("one", now=6, member="DRAIN")
        self.assertEqual(self.memory.heard("lb").members, {"m": "DRAIN"})

    def test_an_amphora_on_its_way_out_is_not_believed(self) -> None:
        self.registry.replace([evolve(ONE, state=AmphoraState.DRAINING), TWO])
        self.assertFalse(self.due("one", member="DOWN"))
        self.assertEqual(self.memory.heard("lb").members, {})

    def test_what_is_gone_is_forgotten(self) -> None:
        self.registry.replace([])
        self.memory.forget()
        self.assertEqual(self.memory.listener_ids("lb"), frozenset())
        self.registry.replace([ONE])
        self.assertEqual(self.memory.heard("lb").members, {})

    def test_one_may_go_while_its_tree_is_read(self) -> None:
        self.registry.replace([])
        self.memory.forget()
        self.memory.made_up(TREE)
        self.memory.forget()
        self.assertEqual(self.memory.listener_ids("lb"), frozenset())

    def test_a_spare_has_no_load_balancer(self) -> None:
        self.registry.replace([evolve(ONE, load_balancer_id=None)])
        self.assertEqual(self.memory.take_in({"one": news(member="DOWN")}, 1.0), set())
