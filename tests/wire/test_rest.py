from __future__ import annotations

import re

from hypothesis import given
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.wire.rest import (
    action_path,
    applied_path,
    haproxy_path,
    haproxy_text_path,
    load_balancers_path,
    peer_name,
    removal_path,
)
from tests.wire.reports import identifiers


class PeerName(SynchronousTestCase):
    """L{peer_name}."""

    @given(identifiers)
    def test_it_is_a_word_that_haproxy_takes_for_no_option(self, amphora_id: str) -> None:
        self.assertTrue(re.fullmatch(r"[0-9A-Za-z_][0-9A-Za-z_-]{26}", peer_name(amphora_id)))

    def test_it_is_what_openstacks_agent_calls_itself(self) -> None:
        self.assertEqual(peer_name("11111111-1111-4111-8111-111111111111"), "2p9TCfNLRyeJ1AdL3Qm8sU-7IR4")


class Paths(SynchronousTestCase):
    """Where things are."""

    def test_they_are_openstacks(self) -> None:
        self.assertEqual(haproxy_path("a", "b"), "/1.0/loadbalancer/a/b/haproxy")
        self.assertEqual(haproxy_text_path("b"), "/1.0/loadbalancer/b/haproxy")
        self.assertEqual(action_path("b", "start"), "/1.0/loadbalancer/b/start")
        self.assertEqual(removal_path("b"), "/1.0/listeners/b")

    def test_an_amphora_asks_for_what_is_its_own(self) -> None:
        self.assertEqual(load_balancers_path("a"), "/1.0/amphorae/a/load_balancers")
        self.assertEqual(applied_path("a", "b", 7, 3), "/1.0/amphorae/a/load_balancers/b/applied/7/3")
