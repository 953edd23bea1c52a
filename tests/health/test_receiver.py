from __future__ import annotations

import hmac
import json
import zlib
from datetime import UTC, datetime
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.health.receiver import Accepted, Origin, Outcome, Receiver
from octavia_tx.health.registry import Registry
from octavia_tx.health.replay import TOLERANCE
from octavia_tx.model.amphora import Amphora
from octavia_tx.wire import envelope, openstack
from octavia_tx.wire.envelope import ANSWERS, Header, Kind
from octavia_tx.wire.heartbeat import MemberReport, Report, split
from octavia_tx.wire.keys import amphora_key

MASTER, SHARED = b"m" * 32, b"insecure"
ONE, TWO, STRANGER, BOOT, POOL, MEMBER = (f"{n:08x}-1111-4111-8111-111111111111" for n in range(6))
REPORT = Report(members=(MemberReport(POOL, MEMBER, "UP"),), load_balancers=(POOL,))
PEER = ("192.0.2.1", 4000)
ELSEWHERE = ("198.51.100.1", 4000)


def ours(amphora_id: str = ONE, key: bytes | None = None, body: bytes | None = None, **given: Any) -> bytes:
    """A datagram of ours, right in all that isn't given otherwise."""
    header = evolve(Header(amphora_id, BOOT, 1, 1_000_000.0), **given)
    content = split(REPORT, envelope.BODY_LIMIT)[0] if body is None else body
    return envelope.seal(key or amphora_key(MASTER, amphora_id), header, content)


def theirs(amphora_id: str = ONE, key: bytes | None = None, sequence: int = 1) -> bytes:
    """A datagram of OpenStack's, right in all that isn't given otherwise."""
    return openstack.seal(key or amphora_key(MASTER, amphora_id), amphora_id, sequence, REPORT)


class FakePort:
    def __init__(self) -> None:
        self.written: list[tuple[bytes, Any]] = []

    def write(self, datagram: bytes, address: Any) -> None:
        self.written.append((datagram, address))


class ReceiverCase(SynchronousTestCase):
    """A test with a receiver that knows two amphorae, at one address."""

    shared_key: bytes | None = None

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.registry = Registry()
        amphora = Amphora(id=ONE, lb_network_ip=PEER[0], created_at=datetime.now(UTC))
        self.registry.replace([amphora, evolve(amphora, id=TWO)])
        self.accepted: list[Accepted] = []
        self.missed = 0
        self.receiver = Receiver(
            self.clock, self.registry, MASTER, self.shared_key, self.accepted.append, missed=self.miss
        )
        self.logged: list[Any] = []
        globalLogPublisher.addObserver(self.logged.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.logged.append)

    def miss(self, amphora_id: str) -> None:
        self.missed += 1

    def outcome(self, datagram: bytes, address: tuple[str, int] = PEER) -> Outcome:
        """What became of a datagram; what isn't accepted leads to nothing."""
        counted, accepted = self.receiver.counters.copy(), len(self.accepted)
        self.receiver.datagramReceived(datagram, address)
        (outcome,) = (self.receiver.counters - counted).elements()
        self.assertEqual(len(self.accepted) - accepted, outcome is Outcome.ACCEPTED)
        return outcome

    def lines(self, level: LogLevel = LogLevel.warn) -> list[Any]:
        return [event for event in self.logged if event["log_level"] >= level and "outcome" in event]


class OwnEnvelope(ReceiverCase):
    """Datagrams of ours."""

    def test_a_right_one_is_accepted_wherever_it_comes_from(self) -> None:
        self.assertIs(self.outcome(ours(), ELSEWHERE), Outcome.ACCEPTED)
        origin = Origin(Header(ONE, BOOT, 1, 1_000_000.0), ELSEWHERE)
        self.assertEqual(self.accepted, [Accepted(ONE, 1_000_000.0, (1_000_000.0, 1), REPORT, origin=origin)])

    def test_an_alert_is_accepted_as_well(self) -> None:
        self.assertIs(self.outcome(ours(kind=Kind.ALERT)), Outcome.ACCEPTED)

    def test_answers_are_no_reports_even_if_somebody_sends_them_back(self) -> None:
        for kind in ANSWERS:
            self.assertIs(self.outcome(ours(kind=kind)), Outcome.MALFORMED)

    def test_an_answer_goes_back_where_the_report_came_from(self) -> None:
        port: Any = FakePort()
        self.outcome(ours(kind=Kind.ALERT))
        (accepted,) = self.accepted
        assert accepted.origin is not None
        self.receiver.answer(Kind.ACKNOWLEDGEMENT, accepted.origin)
        self.receiver.makeConnection(port)
        self.receiver.answer(Kind.ACKNOWLEDGEMENT, accepted.origin)
        ((datagram, address),) = port.written
        header, body = envelope.unseal(amphora_key(MASTER, ONE), datagram)
        expected = evolve(accepted.origin.header, kind=Kind.ACKNOWLEDGEMENT)
        self.assertEqual((header, body, address), (expected, b"", PEER))

    def test_what_was_made_later_is_newer_also_by_a_clock_that_was_set_back(self) -> None:
        self.outcome(ours(sequence=1))
        self.outcome(ours(sequence=2, time=999_990.0))
        first, second = self.accepted
        self.assertLess(first.order, second.order)

    def test_one_with_another_amphoras_key_is_badly_signed(self) -> None:
        self.assertIs(self.outcome(ours(key=amphora_key(MASTER, TWO))), Outcome.BAD_SIGNATURE)

    def test_one_that_comes_twice_is_replayed(self) -> None:
        self.assertIs(self.outcome(ours()), Outcome.ACCEPTED)
        self.assertIs(self.outcome(ours()), Outcome.REPLAYED)

    def test_one_that_was_altered_does_not_keep_the_right_one_out(self) -> None:
        self.assertIs(self.outcome(ours(key=b"x" * 32)), Outcome.BAD_SIGNATURE)
        self.assertIs(self.outcome(ours()), Outcome.ACCEPTED)

    def test_one_from_long_ago_is_stale(self) -> None:
        datagram = ours()
        self.clock.advance(TOLERANCE + 1)
        self.assertIs(self.outcome(datagram), Outcome.STALE)

    def test_one_of_another_version_is_told_apart(self) -> None:
        datagram = ours()
        self.assertIs(self.outcome(datagram[:4] + b"\x09" + datagram[5:]), Outcome.UNKNOWN_VERSION)

    def test_one_that_is_cut_off_is_truncated(self) -> None:
        self.assertIs(self.outcome(ours()[:-1]), Outcome.TRUNCATED)

    def test_one_that_is_too_large_is_oversized(self) -> None:
        self.assertIs(self.outcome(ours() + bytes(1400)), Outcome.OVERSIZED)
        self.assertIs(self.outcome(ours(body=zlib.compress(bytes(100_000)))), Outcome.OVERSIZED)

    def test_one_whose_body_is_no_report_is_malformed(self) -> None:
        self.assertIs(self.outcome(ours(body=b"x")), Outcome.MALFORMED)

    def test_one_of_an_unknown_amphora_is_dropped_and_said_loudly(self) -> None:
        self.assertIs(self.outcome(ours(STRANGER)), Outcome.UNKNOWN_AMPHORA)
        self.assertEqual(self.missed, 1)
        (line,) = self.lines(LogLevel.error)
        self.assertEqual((line["reason"], line["host"]), (STRANGER, PEER[0]))

    def test_one_that_was_forgotten_is_heard_again(self) -> None:
        self.outcome(ours())
        self.registry.replace([])
        self.receiver.forget()
        self.registry.replace([Amphora(id=ONE, created_at=datetime.now(UTC))])
        self.assertIs(self.outcome(ours()), Outcome.ACCEPTED)


class OpenStacksEnvelope(ReceiverCase):
    """Datagrams of OpenStack's, from amphorae that have keys of their own."""

    def test_the_key_is_found_by_the_address(self) -> None:
        self.assertIs(self.outcome(theirs(TWO)), Outcome.ACCEPTED)
        (accepted,) = self.accepted
        self.assertEqual((accepted.amphora_id, accepted.differences), (TWO, True))
        self.assertEqual(accepted.report.members, REPORT.members)

    def test_one_with_a_wrong_key_is_badly_signed(self) -> None:
        self.assertIs(self.outcome(theirs(key=b"other")), Outcome.BAD_SIGNATURE)

    def test_one_that_names_another_amphora_is_badly_signed(self) -> None:
        self.assertIs(self.outcome(theirs(TWO, key=amphora_key(MASTER, ONE))), Outcome.BAD_SIGNATURE)

    def test_one_from_an_unknown_address_is_of_an_unknown_amphora(self) -> None:
        self.assertIs(self.outcome(theirs(), ELSEWHERE), Outcome.UNKNOWN_AMPHORA)

    def test_one_that_comes_twice_is_replayed(self) -> None:
        self.outcome(theirs())
        self.assertIs(self.outcome(theirs()), Outcome.REPLAYED)

    def test_one_of_another_version_is_told_apart(self) -> None:
        key = amphora_key(MASTER, ONE)
        compressed = zlib.compress(json.dumps({"ver": 9}).encode())
        datagram = compressed + hmac.digest(key, compressed, "sha256")
        self.assertIs(self.outcome(datagram), Outcome.UNKNOWN_VERSION)

    def test_the_shared_key_opens_nothing_where_none_is_set(self) -> None:
        self.assertIs(self.outcome(theirs(key=SHARED)), Outcome.BAD_SIGNATURE)


class SharedKey(ReceiverCase):
    """Datagrams of OpenStack's, where amphorae share one key."""

    shared_key = SHARED

    def test_one_is_accepted_wherever_it_comes_from(self) -> None:
        self.assertIs(self.outcome(theirs(key=SHARED), ELSEWHERE), Outcome.ACCEPTED)
        self.assertIs(self.outcome(theirs(TWO, key=SHARED)), Outcome.ACCEPTED)

    def test_one_with_its_own_key_is_accepted_too(self) -> None:
        self.assertIs(self.outcome(theirs()), Outcome.ACCEPTED)

    def test_one_of_an_unknown_amphora_is_dropped(self) -> None:
        self.assertIs(self.outcome(theirs(STRANGER, key=SHARED)), Outcome.UNKNOWN_AMPHORA)

    def test_the_shared_key_does_not_open_our_own_envelope(self) -> None:
        self.assertIs(self.outcome(ours(key=SHARED)), Outcome.BAD_SIGNATURE)


class Garbage(ReceiverCase):
    """Whatever else comes in."""

    shared_key = SHARED

    @given(st.binary(max_size=3000), st.sampled_from([b"", envelope.MAGIC, envelope.MAGIC + b"\1", b"\x78\x9c"]))
    def test_it_is_dropped_and_never_raises(self, garbage: bytes, prefix: bytes) -> None:
        self.receiver.counters.clear()
        self.assertIsNot(self.outcome(prefix + garbage), Outcome.ACCEPTED)

    @given(st.binary(max_size=1200))
    def test_sealed_by_an_amphora_it_is_dropped_and_never_raises(self, garbage: bytes) -> None:
        self.receiver.counters.clear()
        for body in (garbage, zlib.compress(garbage)):
            self.assertIsNot(self.outcome(ours(body=body)), Outcome.ACCEPTED)
            tag = hmac.digest(SHARED, body, "sha256")
            self.assertIsNot(self.outcome(body + tag), Outcome.ACCEPTED)

    def test_it_is_logged_now_and_then_with_its_count(self) -> None:
        for _ in range(100):
            self.outcome(b"garbage")
        self.clock.advance(11)
        self.outcome(b"garbage")
        self.assertEqual([line["count"] for line in self.lines()], [1, 100])

    def test_each_kind_is_logged_by_itself(self) -> None:
        self.outcome(b"garbage")
        self.outcome(ours()[:-1])
        self.assertEqual([line["outcome"] for line in self.lines()], ["malformed", "truncated"])
