"""When heartbeats are sent, to whom, and in which envelope."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from amphora.alerts import FIRST_DELAY, LAST_DELAY, SOON, Alerts, news, words
from amphora.heartbeat import Heartbeats
from amphora.ledger import Ledger
from amphora.sealing import ANSWER_LIMIT, sealer
from amphora.settings import Address, Heartbeat, Settings
from octavia_tx.wire import envelope, heartbeat, openstack
from octavia_tx.wire.envelope import Kind
from octavia_tx.wire.heartbeat import MemberReport, Report
from octavia_tx.wire.tls import Credential
from tests.amphora.test_ledger import LB, runs

AMPHORA = "11111111-1111-4111-8111-111111111111"
KEY = b"k" * 32
FIRST, SECOND, SIXTH = Address("127.0.0.1", 1), Address("127.0.0.2", 2), Address("::1", 6)


class Port:
    """A UDP port in memory."""

    def __init__(self, sent: list[tuple[Address, bytes]], protocol: Any, interface: str) -> None:
        self.protocol = protocol
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
        self.ports.append(Port(self.sent, protocol, interface))
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

    def test_what_a_controller_changed_is_told_to_all_at_once(self) -> None:
        service = self.start(FIRST, SECOND)
        self.ledger.record(LB, runs(("1", 0)))
        service.beat_at_once()
        self.assertEqual(self.receivers(), [FIRST, FIRST, SECOND])

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
        self.reactor.advance(4.0)
        self.assertEqual(len(self.reactor.sent), 1)
        silent[0] = False
        self.reactor.advance(1.0)
        self.assertGreater(len(self.reactor.sent), 1)

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


class Alerting(HeartbeatCase):
    """Statuses that changed, in our own envelope."""

    def setUp(self) -> None:
        super().setUp()
        self.reactor.advance(1000)
        self.ledger.record(LB, runs(("1", 7)))

    def begin(self, *receivers: Address) -> Heartbeats:
        """With nothing unsettled, and nothing in C{sent}."""
        service = self.start(*receivers)
        service.beat_if_changed()
        self.settle()
        self.reactor.sent.clear()
        return service

    def change(self, service: Heartbeats, status: str = "DOWN") -> None:
        self.ledger.record(LB, runs(("1", 7), member=(status, "L4CON")))
        service.beat_if_changed()

    def alerts(self) -> list[tuple[Address, envelope.Header, Report]]:
        opened = [(to, *envelope.unseal(KEY, datagram)) for to, datagram in self.reactor.sent]
        found = [(to, header, body) for to, header, body in opened if header.kind is Kind.ALERT]
        return [(to, header, heartbeat.decode(body)) for to, header, body in found]

    def told(self) -> list[tuple[Address, str]]:
        """Whom, and what of the member."""
        return [(to, member.status) for to, _header, report in self.alerts() for member in report.members]

    def hear(self, datagram: bytes) -> None:
        self.reactor.ports[0].protocol.datagramReceived(datagram, ("127.0.0.1", 1))

    def settle(self, number: int = -1, key: bytes = KEY, **changed: Any) -> None:
        """Acknowledge an alert, rightly in all that isn't given otherwise."""
        header = evolve(self.alerts()[number][1], **changed)
        self.hear(envelope.answer(key, Kind.ACKNOWLEDGEMENT, header))

    def silent(self) -> bool:
        """Whether no alert comes in a while."""
        before = len(self.alerts())
        self.reactor.pump([0.1] * 200)
        return len(self.alerts()) == before

    def test_only_what_changed_is_told_at_once_and_without_counters(self) -> None:
        service = self.begin(FIRST)
        self.change(service)
        ((to, header, report),) = self.alerts()
        self.assertEqual((to, header.time), (FIRST, 1000.0))
        self.assertEqual([m.status for m in report.members], ["DOWN"])
        self.assertEqual((report.listeners, report.load_balancers), ((), ()))

    def test_all_is_told_at_the_start_since_nobody_knows_what_was_settled_before(self) -> None:
        self.start(FIRST).beat_if_changed()
        ((_to, _header, report),) = self.alerts()
        self.assertEqual(words(report), news(self.ledger))

    def test_it_is_repeated_less_and_less_often_until_it_is_acknowledged(self) -> None:
        service = self.begin(FIRST)
        self.change(service)
        seen = []
        for delay in (*[FIRST_DELAY] * SOON, 2 * FIRST_DELAY, 4 * FIRST_DELAY):
            seen.append(len(self.alerts()))
            self.reactor.advance(delay)
        self.assertEqual(seen, [1, 2, 3, 4, 5, 6])
        self.settle()
        self.assertTrue(self.silent())

    def test_days_without_an_answer_are_few_datagrams_and_few_lines(self) -> None:
        lines: list[Any] = []
        globalLogPublisher.addObserver(lines.append)
        self.addCleanup(globalLogPublisher.removeObserver, lines.append)
        service = self.begin(FIRST)
        self.change(service)
        self.reactor.pump([1.0] * 3600)
        self.assertLessEqual(len(self.alerts()), 3600 / LAST_DELAY + 10)
        self.settle()
        self.assertTrue(self.silent())
        self.assertEqual(len([event for event in lines if event["log_namespace"] == Alerts.log.namespace]), 2)

    def test_each_repetition_goes_to_the_next_receiver_and_who_answers_is_told_first_again(self) -> None:
        service = self.begin(FIRST, SECOND)
        self.change(service)
        self.reactor.advance(FIRST_DELAY)
        self.reactor.advance(2 * FIRST_DELAY)
        self.reactor.advance(4 * FIRST_DELAY)
        self.assertEqual([to for to, _ in self.told()], [FIRST, SECOND, FIRST, SECOND])
        self.settle()
        self.change(service, "UP")
        self.assertEqual(self.told()[-1], (SECOND, "UP"))

    def test_newer_news_overtakes_it(self) -> None:
        service = self.begin(FIRST)
        self.change(service)
        self.change(service, "UP")
        self.settle(0)
        self.reactor.advance(FIRST_DELAY)
        self.assertEqual([word for _, word in self.told()], ["DOWN", "UP", "UP"])
        self.settle(1)
        self.assertTrue(self.silent())

    def test_an_answer_to_the_same_word_of_before_settles_nothing(self) -> None:
        service = self.begin(FIRST)
        for status in ("DOWN", "UP", "DOWN"):
            self.change(service, status)
        self.settle(0)
        self.assertFalse(self.silent())
        self.settle()
        self.assertTrue(self.silent())

    def test_older_words_that_are_written_after_newer_ones_are_told_over(self) -> None:
        service = self.begin(FIRST, SECOND)
        self.change(service)
        self.change(service, "UP")
        self.settle(1)
        self.assertTrue(self.silent())
        self.settle(0)
        self.assertEqual(self.told()[-1], (FIRST, "UP"))
        self.settle()
        self.assertTrue(self.silent())

    def test_last_words_of_a_run_are_told_until_they_are_acknowledged(self) -> None:
        service = self.begin(FIRST)
        self.ledger.record(LB, runs(("2", 0)))
        service.beat_if_changed()
        self.reactor.advance(FIRST_DELAY)
        last = [[c.total_connections for li in report.listeners for c in li.counters] for *_, report in self.alerts()]
        self.assertEqual(last, [[7], [7]])
        self.assertEqual(len(self.ledger.finished()), 1)
        self.settle()
        self.assertEqual(len(self.ledger.finished()), 0)
        service.beat_if_changed()
        self.assertTrue(self.silent())

    def test_last_words_are_not_lost_while_heartbeats_go_on_without_answers(self) -> None:
        service = self.begin(FIRST)
        self.ledger.record(LB, runs(("2", 0)))
        service.beat_if_changed()
        self.reactor.pump([1.0] * 3600)
        self.assertEqual(len(self.ledger.finished()), 1)

    def test_what_is_gone_is_not_told_any_more(self) -> None:
        service = self.begin(FIRST)
        self.change(service)
        self.ledger.forget(LB)
        service.beat_if_changed()
        self.assertTrue(self.silent())

    def test_only_a_right_answer_counts(self) -> None:
        service = self.begin(FIRST)
        self.change(service)
        sequence = self.alerts()[0][1].sequence
        other = "99999999-9999-4999-8999-999999999999"
        for wrong in (
            {"key": b"x" * 32}, {"amphora_id": other}, {"boot_id": other}, {"sequence": sequence + 1},
            {"time": 1000.0 - ANSWER_LIMIT - 1},
        ):  # fmt: skip
            self.settle(0, **wrong)
        self.hear(b"garbage")
        self.hear(self.reactor.sent[-1][1])
        self.assertFalse(self.silent())

    def test_an_answer_that_comes_again_settles_nothing_new(self) -> None:
        service = self.begin(FIRST)
        self.change(service)
        self.settle(0)
        for status in ("UP", "DOWN"):
            self.change(service, status)
        self.settle(0)
        self.assertFalse(self.silent())

    def test_many_that_changed_are_told_in_several_datagrams_and_settled_one_by_one(self) -> None:
        service = self.start(FIRST)
        snapshot = runs(("1", 7))
        pool = snapshot.members[0].pool_id
        many = tuple(MemberReport(pool, f"{i:08x}-0000-4000-8000-{i * 7919:012x}", "UP") for i in range(300))
        self.ledger.record(LB, evolve(snapshot, members=many))
        service.beat_if_changed()
        first = len(self.alerts())
        self.assertGreater(first, 1)
        for number in range(first - 1):
            self.settle(number)
        self.reactor.advance(FIRST_DELAY)
        repeated = self.alerts()[first:]
        self.assertEqual([words(r) for _, _, r in repeated], [words(self.alerts()[first - 1][2])])

    def test_none_after_the_end(self) -> None:
        service = self.begin(FIRST)
        self.change(service)
        self.successResultOf(service.stopService())
        self.change(service, "UP")
        self.assertTrue(self.silent())
        self.assertEqual(self.reactor.getDelayedCalls(), [])


class Noticing(HeartbeatCase):
    """Receivers say that work is waiting."""

    def setUp(self) -> None:
        super().setUp()
        self.notices = 0
        self.service = self.start(FIRST)
        self.service.on_notice = self.notice

    def notice(self) -> None:
        self.notices += 1

    def hear(self, number: int = -1, key: bytes = KEY, **changed: Any) -> None:
        header = evolve(envelope.unseal(KEY, self.reactor.sent[number][1])[0], **changed)
        self.reactor.ports[0].protocol.datagramReceived(envelope.answer(key, Kind.NOTICE, header), ("127.0.0.1", 1))

    def test_each_heartbeat_is_answered_once(self) -> None:
        self.hear()
        self.hear()
        self.assertEqual(self.notices, 1)
        self.reactor.advance(5)
        self.hear(0)
        self.assertEqual(self.notices, 1)
        self.hear()
        self.assertEqual(self.notices, 2)

    def test_only_a_right_one_counts(self) -> None:
        other = "99999999-9999-4999-8999-999999999999"
        for wrong in ({"key": b"x" * 32}, {"amphora_id": other}, {"boot_id": other}, {"sequence": 2}):
            self.hear(0, **wrong)
        self.reactor.advance(ANSWER_LIMIT + 1)
        self.hear(0)
        self.assertEqual(self.notices, 0)


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
