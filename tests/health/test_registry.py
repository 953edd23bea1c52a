from __future__ import annotations

from datetime import UTC, datetime

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.health.registry import Registry
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState

SPARE = Amphora(id="spare", created_at=datetime(2030, 1, 1, tzinfo=UTC))
BUSY = evolve(SPARE, id="busy", load_balancer_id="lb", state=AmphoraState.ALLOCATED, lb_network_ip="192.0.2.1")


class RegistryCase(SynchronousTestCase):
    """L{Registry}."""

    def setUp(self) -> None:
        self.registry = Registry()
        self.registry.replace([SPARE, BUSY])

    def test_amphorae_are_known_by_id(self) -> None:
        self.assertIn("spare", self.registry)
        self.assertNotIn("other", self.registry)
        self.assertEqual((self.registry.get("busy"), self.registry.get("other")), (BUSY, None))

    def test_amphorae_are_known_by_address(self) -> None:
        self.assertEqual((self.registry.at("192.0.2.1"), self.registry.at("192.0.2.2")), (("busy",), ()))

    def test_amphorae_are_known_by_load_balancer(self) -> None:
        self.assertEqual((self.registry.serving("lb"), self.registry.serving("other")), (("busy",), ()))
        self.assertEqual(self.registry.load_balancers(), {"lb"})

    def test_one_on_its_way_out_serves_no_more_but_is_known(self) -> None:
        for state in (AmphoraState.DRAINING, AmphoraState.DELETING, AmphoraState.FAILED):
            self.registry.replace([evolve(BUSY, state=state)])
            self.assertEqual(self.registry.serving("lb"), ())
            self.assertEqual(self.registry.load_balancers(), {"lb"})
            self.assertIn("busy", self.registry)

    def test_the_last_reading_counts(self) -> None:
        self.registry.replace([SPARE])
        self.assertNotIn("busy", self.registry)
        self.assertEqual((self.registry.at("192.0.2.1"), self.registry.serving("lb")), ((), ()))

    def test_what_is_read_of_some_leaves_the_others(self) -> None:
        moved = evolve(BUSY, lb_network_ip="192.0.2.2", load_balancer_id="other")
        self.registry.update({"busy", "gone"}, [moved])
        self.assertEqual((self.registry.get("busy"), self.registry.get("spare")), (moved, SPARE))
        self.assertEqual((self.registry.at("192.0.2.1"), self.registry.at("192.0.2.2")), ((), ("busy",)))
        self.assertEqual((self.registry.serving("lb"), self.registry.serving("other")), ((), ("busy",)))
        self.assertEqual(self.registry.load_balancers(), {"other"})

    def test_one_that_was_looked_for_and_not_found_is_unknown(self) -> None:
        self.registry.update({"busy"}, [])
        self.assertNotIn("busy", self.registry)
        self.assertIn("spare", self.registry)
        self.assertEqual((self.registry.at("192.0.2.1"), self.registry.load_balancers()), ((), frozenset()))
