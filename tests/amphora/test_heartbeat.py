"""When heartbeats are sent, to whom, and in which envelope."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from amphora.heartbeat import Heartbeats, sealer
from amphora.ledger import Ledger
from amphora.settings import Address, Heartbeat, Settings
from octavia_tx.wire import envelope, heartbeat, openstack
from octavia_tx.wire.heartbeat import Report
from octavia_tx.wire.tls import Credential
from tests.amphora.test_ledger import LB, runs

AMPHORA = "11111111-1111-4111-8111-111111111111"
KEY = b"k" * 32
FIRST, SECOND, SIXTH = Address("127.0.0.1", 1), Address("127.0.0.2", 2), Address("::1", 6)


class Port:
    """A UDP port in memory."""

    def __init__(self, sent: list[tuple[Address, bytes]], interface: str) -> None:
        self.interface = interface
        self.broken = False
        self._sent = sent

    def write(self, datagram: bytes, to: tuple[str, int]) -> None:
        if self.broken:
            raise OSError("Network is unreachable")
        self._sent.append((Address(*to), datagram))

    def stopListening(self) -> Deferred[None]:
        return succeed(None)


class Reactor(Clock):
    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[Address, bytes]] = []
        self.ports: list[Port] = []

    def listenUDP(self, port: int, protocol: object, interface: str = "") -> Port:
        self.ports.append(Port(self.sent, interface))
        return self.ports[-1]


class HeartbeatCase(SynchronousTestCase):
    envelope = "octavia-tx"

    def setUp(self) -> None:
        self.reactor: Any = Reactor()
        self.ledger = Ledger()

    def start(self, *receivers: Address, interface: str = "") -> Heartbeats:
        settings = Heartbeat(receivers=receivers, key=KEY, interval=5.0, envelope=self.envelope)
        service = Heartbeats(self.reactor, settings, sealer(AMPHORA, settings, self.reactor), self.ledger, interface)
        service.startService()
        self.addCleanup(service.stopService)
        return service

    def receivers(self) -> list[Address]:
        return [to for to, _datagram in self.reactor.sent]


class Sending(HeartbeatCase):
    def test_one_at_the_start_and_one_at_each_interval_to_each_in_turn(self) -> None:
        self.start(FIRST, SECOND)
        self.reactor.pump([5.0] * 3)
        self.assertEqual(self.receivers(), [FIRST, SECOND, FIRST, SECOND])

    def test_a_changed_status_is_told_to_all_at_once_and_once(self) -> None:
        service = self.start(FIRST, SECOND)
        self.ledger.record(LB, runs(("1", 0)))
        service.beat_if_changed()
        service.beat_if_changed()
        self.assertEqual(self.receivers(), [FIRST, FIRST, SECOND])
        self.ledger.record(LB, runs(("1", 0), member=("DOWN", "L4CON")))
        service.beat_if_changed()
        self.assertEqual(len(self.reactor.sent), 5)

    def test_both_versions_of_ip_are_served_from_the_agents_own_address(self) -> None:
        self.start(FIRST, SIXTH, interface="127.9.9.9")
        self.reactor.advance(5)
        self.assertEqual(self.receivers(), [FIRST, SIXTH])
        self.assertEqual({p.interface for p in self.reactor.ports}, {"127.9.9.9", "::"})

    def test_a_receiver_out_of_reach_does_not_end_it(self) -> None:
        service = self.start(FIRST)
        self.reactor.ports[0].broken = True
        service.beat()
        self.reactor.ports[0].broken = False
        service.beat()
        self.assertEqual(len(self.reactor.sent), 2)

    def test_none_while_the_amphora_shall_count_as_dead(self) -> None:
        silent = [False]
        settings = Heartbeat(receivers=(FIRST,), key=KEY, interval=5.0, envelope=self.envelope)
        seal = sealer(AMPHORA, settings, self.reactor)
        service = Heartbeats(self.reactor, settings, seal, self.ledger, silent=lambda: silent[0])
        service.startService()
        self.addCleanup(service.stopService)
        silent[0] = True
        self.reactor.advance(5.0)
        self.ledger.record(LB, runs(("1", 0)))
        service.beat_if_changed()
        service.beat_at_once()
        self.assertEqual(len(self.reactor.sent), 1)
        silent[0] = False
        self.reactor.advance(5.0)
        self.assertEqual(len(self.reactor.sent), 2)

    def test_none_after_the_end(self) -> None:
        service = self.start(FIRST)
        self.successResultOf(service.stopService())
        self.ledger.record(LB, runs(("1", 0)))
        service.beat_at_once()
        service.beat_if_changed()
        self.reactor.advance(60)
        self.assertEqual(len(self.reactor.sent), 1)


class Renewing(HeartbeatCase):
    def renew(self, service: Heartbeats, **changed: Any) -> None:
        """With settings that differ in this from the present ones."""
        now = {"receivers": (FIRST,), "key": KEY, "interval": 5.0, "envelope": self.envelope, **changed}
        settings = Settings(
            directory=Path("/"),
            amphora_id=AMPHORA,
            listen=FIRST,
            haproxy="",
            heartbeat=Heartbeat(**now),
            controllers=(),
            certificates=None,
            credential=Credential(pem=b"", authority=b""),
            credential_file=Path("/nowhere/agent.pem"),
        )
        self.successResultOf(Deferred.fromCoroutine(service.renew(settings)))

    def headers(self, key: bytes = KEY) -> list[envelope.Header]:
        return [envelope.unseal(key, datagram)[0] for _to, datagram in self.reactor.sent]

    def test_others_are_told_from_now_on_as_often_as_is_set(self) -> None:
        service = self.start(FIRST)
        self.renew(service, receivers=(SECOND, SIXTH), interval=1.0)
        self.reactor.pump([1.0] * 3)
        self.assertEqual(self.receivers(), [FIRST, SECOND, SIXTH, SECOND, SIXTH])
        self.assertEqual([h.sequence for h in self.headers()], [1, 2, 3, 4, 5])

    def test_a_new_key_begins_a_new_count(self) -> None:
        service = self.start(FIRST)
        self.renew(service, key=b"o" * 32)
        self.assertEqual(envelope.unseal(b"o" * 32, self.reactor.sent[1][1])[0].sequence, 1)

    def test_the_same_settings_change_nothing(self) -> None:
        service = self.start(FIRST)
        self.renew(service)
        self.assertEqual(len(self.reactor.sent), 1)
        self.reactor.advance(5)
        self.assertEqual(len(self.reactor.sent), 2)

    def test_one_that_has_ended_stays_so(self) -> None:
        service = self.start(FIRST)
        self.successResultOf(service.stopService())
        self.renew(service, receivers=(SECOND,))
        self.reactor.advance(60)
        self.assertEqual(self.receivers(), [FIRST])


class OwnEnvelope(HeartbeatCase):
    def test_datagrams_verify_and_say_all_in_order(self) -> None:
        self.ledger.record(LB, runs(("1", 42)))
        self.reactor.advance(1000)
        self.start(FIRST)
        self.reactor.advance(5)
        headers = []
        for _to, datagram in self.reactor.sent:
            header, body = envelope.unseal(KEY, datagram)
            headers.append(header)
            self.assertEqual(heartbeat.decode(body), self.ledger.report())
        self.assertEqual([(h.sequence, h.time) for h in headers], [(1, 1000.0), (2, 1005.0)])
        self.assertEqual(len({h.boot_id for h in headers}), 1)
        self.assertEqual({h.amphora_id for h in headers}, {AMPHORA})


class OpenStackEnvelope(HeartbeatCase):
    envelope = "openstack"

    def totals(self) -> list[int]:
        messages = [openstack.unseal(KEY, d) for _to, d in self.reactor.sent]
        return [c.total_connections for m in messages for r in m.report.listeners for c in r.counters]

    def test_counters_are_differences_since_the_message_before(self) -> None:
        service = self.start(FIRST)
        for total in (10, 10, 15):
            self.ledger.record(LB, runs(("1", total)))
            service.beat()
        self.assertEqual(self.totals(), [10, 0, 5])

    def test_a_listener_that_was_away_for_a_while_is_not_counted_twice(self) -> None:
        service = self.start(FIRST)
        self.ledger.record(LB, runs(("1", 10)))
        service.beat()
        self.ledger.record(LB, None)
        service.beat()
        self.ledger.record(LB, runs(("1", 12)))
        service.beat()
        self.assertEqual(sum(self.totals()), 12)

    def test_a_run_that_ended_is_counted_once(self) -> None:
        service = self.start(FIRST)
        for snapshot in (runs(("1", 10)), runs(("2", 1)), runs(("2", 2))):
            self.ledger.record(LB, snapshot)
            service.beat()
        self.assertEqual(sum(self.totals()), 12)

    def test_a_change_is_told_to_one_receiver_since_all_add_up_the_same_counters(self) -> None:
        service = self.start(FIRST, SECOND)
        self.ledger.record(LB, runs(("1", 10)))
        service.beat_if_changed()
        self.assertEqual(self.receivers(), [FIRST, SECOND])

    def test_the_message_has_a_status_for_each_pool(self) -> None:
        self.ledger.record(LB, runs(("1", 0), member=("DOWN", "L4CON")))
        self.start(FIRST)
        message = openstack.unseal(KEY, self.reactor.sent[0][1])
        self.assertEqual(message.amphora_id, AMPHORA)
        self.assertEqual([m.status for m in message.report.members], ["DOWN"])
        self.assertNotEqual(message.report, Report())
