"""Connections kept by amphora."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver import connections
from octavia_tx.amphora_driver.connections import CONNECT_TIMEOUT, Connections
from octavia_tx.cloud.authority import Authority
from octavia_tx.errors import AmphoraUnreachable
from octavia_tx.model.amphora import Amphora
from octavia_tx.wire.tls import Role


def amphora(identifier: str, address: str | None = "192.0.2.1") -> Amphora:
    return Amphora(id=identifier, lb_network_ip=address, created_at=datetime(2030, 1, 1, tzinfo=UTC))


class ConnectionsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.authority = Authority.load_or_create(Path(self.mktemp()))
        self.reactor = MemoryReactorClock()
        self.kept = Connections(self.reactor, self.authority.issue(Role.CONTROLLER, "host"))

    def test_an_amphoras_settings_are_made_once(self) -> None:
        self.assertIs(self.kept.agent(amphora("one")), self.kept.agent(amphora("one")))

    def test_amphorae_share_nothing(self) -> None:
        self.assertIsNot(self.kept.agent(amphora("one")), self.kept.agent(amphora("two")))

    def test_a_new_credential_is_used_for_what_comes(self) -> None:
        before = self.kept.agent(amphora("one"))
        self.kept.renew(self.authority.issue(Role.CONTROLLER, "host"))
        self.assertIsNot(self.kept.agent(amphora("one")), before)

    def test_the_amphora_that_was_silent_longest_is_forgotten_first(self) -> None:
        self.patch(connections, "KEPT", 2)
        one, two = self.kept.agent(amphora("one")), self.kept.agent(amphora("two"))
        self.kept.agent(amphora("one"))
        self.kept.agent(amphora("three"))
        self.assertIs(self.kept.agent(amphora("one")), one)
        self.assertIsNot(self.kept.agent(amphora("two")), two)

    def test_an_amphora_that_moved_is_asked_at_its_new_address(self) -> None:
        for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1"):
            self.request(address)
        self.assertEqual([client[:2] for client in self.reactor.tcpClients], [
            ("192.0.2.1", 9443), ("192.0.2.2", 9443), ("2001:db8::1", 9443),
        ])  # fmt: skip

    def test_a_connection_is_given_up_soon(self) -> None:
        self.request("192.0.2.1")
        self.assertEqual(self.reactor.tcpClients[0][3], CONNECT_TIMEOUT)

    def test_an_amphora_without_an_address_is_unreachable(self) -> None:
        self.assertRaises(AmphoraUnreachable, self.kept.agent, amphora("one", None))

    def request(self, address: str) -> None:
        made = self.kept.agent(amphora("one", address)).request(b"GET", b"https://one:9443/")
        made.addErrback(lambda _: None)
        made.cancel()

    def test_closing_waits_for_nothing_where_there_is_nothing(self) -> None:
        self.kept.agent(amphora("one"))
        self.successResultOf(Deferred.fromCoroutine(self.kept.close()))
