from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import zlib
from typing import Any

from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.wire.envelope import BadSignature, Malformed, Oversized, Refused, UnknownVersion
from octavia_tx.wire.heartbeat import Counters, ListenerReport, MemberReport, Report
from octavia_tx.wire.openstack import EPOCH, differences, seal, unseal
from tests.wire.reports import identifiers, keys, reports

KEY = b"insecure"
AMPHORA, LISTENER, POOL, MEMBER = (f"{n * 8}-1111-4111-8111-111111111111" for n in "abcd")
STATS = {"tx": 20, "rx": 10, "conns": 1, "totconns": 3, "ereq": 2}
EXPECTED = Report(
    (ListenerReport(LISTENER, "OPEN", (Counters(EPOCH, 1, 10, 20, 2, 3),)),), (MemberReport(POOL, MEMBER, "UP"),)
)


def message(**changed: Any) -> dict[str, Any]:
    """Version 3, as OpenStack's agents write it."""
    return {
        "id": AMPHORA,
        "seq": 67,
        "ver": 3,
        "listeners": {LISTENER: {"status": "OPEN", "stats": STATS}},
        "pools": {f"{POOL}:{LISTENER}": {"status": "UP", "members": {MEMBER: "UP"}}},
    } | changed


def sealed(document: Any, raw: bool = False) -> bytes:
    compressed = zlib.compress(json.dumps(document).encode())
    tag = hmac.new(KEY, compressed, hashlib.sha256)
    return compressed + (tag.digest() if raw else tag.hexdigest().encode())


class Reading(SynchronousTestCase):
    """L{unseal}."""

    def test_version_3_has_the_listener_in_the_pools_key(self) -> None:
        read = unseal(KEY, sealed(message()))
        self.assertEqual((read.amphora_id, read.sequence, read.report), (AMPHORA, 67, EXPECTED))

    def test_version_2_has_pools_alone(self) -> None:
        pools = {POOL: {"status": "UP", "members": {MEMBER: "UP"}}}
        self.assertEqual(unseal(KEY, sealed(message(ver=2, pools=pools))).report, EXPECTED)

    def test_version_1_has_pools_within_listeners(self) -> None:
        pools = {POOL: {"status": "UP", "members": {MEMBER: "UP"}}}
        document = message(ver=1, listeners={LISTENER: {"status": "OPEN", "stats": STATS, "pools": pools}})
        del document["pools"]
        self.assertEqual(unseal(KEY, sealed(document)).report, EXPECTED)
        del document["ver"]
        self.assertEqual(unseal(KEY, sealed(document)).report, EXPECTED)

    def test_a_raw_tag_of_older_images_is_read(self) -> None:
        self.assertEqual(unseal(KEY, sealed(message(), raw=True)).report, EXPECTED)

    def test_another_version_is_told_apart(self) -> None:
        for version in (0, 4, "3", None, True):
            self.assertRaises(UnknownVersion, unseal, KEY, sealed(message(ver=version)))

    def test_a_member_on_its_way_down_is_down(self) -> None:
        self.assertEqual(self.statuses("UP 1/3", "DOWN 1/2", "MAINT (via a/b)"), ["DOWN", "DOWN", "MAINT"])

    def test_a_word_that_says_nothing_to_us_is_left_out(self) -> None:
        self.assertEqual(self.statuses("UP", "RESTARTING"), ["UP"])

    def statuses(self, *words: str) -> list[str]:
        members = {f"{n:08x}{MEMBER[8:]}": word for n, word in enumerate(words)}
        pools = {f"{POOL}:{LISTENER}": {"status": "UP", "members": members}}
        return [m.status for m in unseal(KEY, sealed(message(pools=pools))).report.members]

    def test_values_out_of_bounds_are_malformed(self) -> None:
        bad: list[Any] = [
            None,
            [],
            message(id="x"),
            message(seq=-1),
            message(seq=2**63),
            message(seq=1.5),
            message(listeners=[]),
            message(listeners={"x": {"status": "OPEN"}}),
            message(listeners={LISTENER: {"status": "CLOSED"}}),
            message(listeners={LISTENER: {"status": "OPEN", "stats": STATS | {"tx": -1}}}),
            message(listeners={LISTENER: {"status": "OPEN", "stats": {"tx": 1}}}),
            message(pools=None),
            message(pools={"x": {"members": {MEMBER: "UP"}}}),
            message(pools={POOL: {"members": {"x": "UP"}}}),
            message(pools={POOL: {"members": {MEMBER: 1}}}),
            message(pools={POOL: {"members": [MEMBER]}}),
            message(pools={POOL: {}}),
        ]
        for document in bad:
            self.assertRaises(Malformed, unseal, KEY, sealed(document))


class Refusing(SynchronousTestCase):
    """What OpenStack's agents don't send."""

    def test_another_key_is_a_bad_signature(self) -> None:
        for raw in (False, True):
            self.assertRaises(BadSignature, unseal, b"other", sealed(message(), raw))

    @given(st.booleans(), st.data())
    def test_a_flipped_bit_is_never_believed(self, raw: bool, data: st.DataObject) -> None:
        datagram = bytearray(sealed(message(), raw))
        bit = data.draw(st.integers(0, len(datagram) * 8 - 1))
        datagram[bit // 8] ^= 1 << bit % 8
        self.assertRaises(BadSignature, unseal, KEY, bytes(datagram))

    @given(st.booleans(), st.data())
    def test_a_shorter_one_is_never_believed(self, raw: bool, data: st.DataObject) -> None:
        datagram = sealed(message(), raw)
        self.assertRaises(Refused, unseal, KEY, datagram[: data.draw(st.integers(0, len(datagram) - 1))])

    @given(st.binary(max_size=2000))
    def test_garbage_is_never_believed(self, garbage: bytes) -> None:
        self.assertRaises(Refused, unseal, KEY, garbage)

    @given(st.binary(max_size=300))
    def test_sealed_garbage_raises_nothing_but_a_refusal(self, garbage: bytes) -> None:
        for content in (garbage, zlib.compress(garbage)):
            with contextlib.suppress(Refused):
                unseal(KEY, content + hmac.digest(KEY, content, "sha256"))
                self.fail("garbage was believed")

    def test_a_bomb_is_not_unpacked(self) -> None:
        bomb = zlib.compress(b" " * 50_000_000)
        self.assertRaises(Oversized, unseal, KEY, bomb + hmac.digest(KEY, bomb, "sha256"))

    def test_one_larger_than_any_datagram_is_oversized(self) -> None:
        self.assertRaises(Oversized, unseal, KEY, b"x" * 70_000)


class Speaking(SynchronousTestCase):
    """L{seal}."""

    @given(keys, identifiers, st.integers(0, 2**63 - 1), reports)
    def test_what_is_sealed_is_unsealed(self, key: bytes, amphora_id: str, sequence: int, report: Report) -> None:
        assume(len({r.listener_id for r in report.listeners}) == len(report.listeners))
        assume(len({(m.pool_id, m.member_id) for m in report.members}) == len(report.members))
        # One run of haproxy, as the envelope has room for one.
        listeners = tuple(evolve(r, counters=(Counters(EPOCH, 1, 2, 3, 4, 5),)) for r in report.listeners)
        report = Report(listeners, tuple(sorted(report.members, key=lambda m: m.pool_id)))
        read = unseal(key, seal(key, amphora_id, sequence, report))
        self.assertEqual((read.amphora_id, read.sequence), (amphora_id, sequence))
        self.assertEqual(read.report.listeners, listeners)
        self.assertEqual(sorted(map(repr, read.report.members)), sorted(map(repr, report.members)))

    def test_it_is_what_openstack_reads(self) -> None:
        datagram = seal(KEY, AMPHORA, 67, EXPECTED)
        self.assertEqual(datagram[-64:].decode(), hmac.new(KEY, datagram[:-64], hashlib.sha256).hexdigest())
        self.assertEqual(json.loads(zlib.decompress(datagram[:-64])), message())

    def test_several_runs_of_haproxy_are_added_up(self) -> None:
        runs = (Counters("1", 1, 2, 3, 4, 5), Counters("2", 10, 20, 30, 40, 50))
        report = Report((ListenerReport(LISTENER, "OPEN", runs),))
        (listener,) = unseal(KEY, seal(KEY, AMPHORA, 1, report)).report.listeners
        self.assertEqual(listener.counters, (Counters(EPOCH, 11, 22, 33, 44, 55),))

    def test_pools_are_named_with_their_listener(self) -> None:
        datagram = seal(KEY, AMPHORA, 1, EXPECTED, {POOL: MEMBER})
        self.assertEqual(list(json.loads(zlib.decompress(datagram[:-64]))["pools"]), [f"{POOL}:{MEMBER}"])

    def test_a_pool_without_members_is_up(self) -> None:
        datagram = seal(KEY, AMPHORA, 1, Report(), {POOL: LISTENER})
        told = json.loads(zlib.decompress(datagram[:-64]))["pools"]
        self.assertEqual(told, {f"{POOL}:{LISTENER}": {"status": "UP", "members": {}}})

    def test_a_pool_whose_members_are_all_down_or_drained_is_down(self) -> None:
        members = (MemberReport(POOL, MEMBER, "DOWN"), MemberReport(POOL, LISTENER, "DRAIN"))
        datagram = seal(KEY, AMPHORA, 1, Report(members=members), {POOL: LISTENER})
        (told,) = json.loads(zlib.decompress(datagram[:-64]))["pools"].values()
        self.assertEqual(told["status"], "DOWN")

    def test_one_too_large_for_a_datagram_is_an_error(self) -> None:
        digests = [hashlib.md5(str(n).encode()).hexdigest() for n in range(5000)]
        members = tuple(MemberReport(POOL, f"{d[:8]}-{d[8:12]}-{d[12:16]}-{d[16:20]}-{d[20:]}", "UP") for d in digests)
        self.assertRaises(ValueError, seal, KEY, AMPHORA, 1, Report(members=members))


class Differences(SynchronousTestCase):
    """L{differences}."""

    def test_counters_become_what_was_added_and_gauges_stay(self) -> None:
        earlier = Report((ListenerReport(LISTENER, "OPEN", (Counters("1", 5, 10, 10, 1, 1),)),))
        later = Report((ListenerReport(LISTENER, "FULL", (Counters("1", 7, 15, 30, 1, 4),)),), EXPECTED.members)
        expected = Report((ListenerReport(LISTENER, "FULL", (Counters("1", 7, 5, 20, 0, 3),)),), EXPECTED.members)
        self.assertEqual(differences(earlier, later), expected)

    def test_a_new_run_counts_from_zero(self) -> None:
        earlier = Report((ListenerReport(LISTENER, "OPEN", (Counters("1", 5, 10, 10, 1, 1),)),))
        later = Report((ListenerReport(LISTENER, "OPEN", (Counters("2", 1, 2, 3, 4, 5),)),))
        self.assertEqual(differences(earlier, later), later)
