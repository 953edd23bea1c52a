from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Iterable
from typing import Any

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.wire.envelope import BODY_LIMIT, Malformed, Oversized
from octavia_tx.wire.heartbeat import UNPACKED_LIMIT, Counters, ListenerReport, MemberReport, Report, decode, split
from tests.wire.reports import reports

ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
# The smallest limit into which any single item fits.
SMALL = 300
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40) | st.just(ONE),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from("lmbx"), inner, max_size=4),
)


def joined(bodies: Iterable[bytes]) -> Report:
    parts = [decode(body) for body in bodies]
    return Report(
        tuple(item for part in parts for item in part.listeners),
        tuple(item for part in parts for item in part.members),
        tuple(item for part in parts for item in part.load_balancers),
    )


def runs(report: Report) -> list[tuple[str, str, Counters]]:
    return [(r.listener_id, r.status, c) for r in report.listeners for c in r.counters]


def packed(document: Any) -> bytes:
    return zlib.compress(json.dumps(document).encode())


class Splitting(SynchronousTestCase):
    """L{split} and L{decode}."""

    @given(reports)
    def test_a_report_that_fits_is_one_body(self, report: Report) -> None:
        (body,) = split(report, UNPACKED_LIMIT)
        self.assertEqual(decode(body), report)

    @given(reports)
    def test_no_part_exceeds_the_limit_and_nothing_is_lost(self, report: Report) -> None:
        bodies = split(report, SMALL)
        self.assertLessEqual(max(map(len, bodies)), SMALL)
        whole = joined(bodies)
        self.assertEqual(whole.members, report.members)
        self.assertEqual(whole.load_balancers, report.load_balancers)
        self.assertEqual(runs(whole), runs(report))
        self.assertEqual(
            {(r.listener_id, r.status) for r in whole.listeners}, {(r.listener_id, r.status) for r in report.listeners}
        )

    def test_a_thousand_members_go_into_datagrams(self) -> None:
        members = tuple(MemberReport(ONE, f"{n:08x}{OTHER[8:]}", "UP") for n in range(1000))
        self.assertEqual(joined(split(Report(members=members), BODY_LIMIT)).members, members)

    def test_one_that_compresses_well_is_split_before_it_is_too_large_to_unpack(self) -> None:
        report = Report(members=(MemberReport(ONE, ONE, "UP"),) * 10_000)
        bodies = split(report, BODY_LIMIT)
        self.assertGreater(len(bodies), 1)
        self.assertEqual(joined(bodies), report)

    def test_an_item_that_fits_into_no_body_is_an_error(self) -> None:
        report = Report(listeners=(ListenerReport(ONE, "OPEN", (Counters("1", 1, 2, 3, 4, 5),)),))
        self.assertRaises(ValueError, split, report, 10)


class Decoding(SynchronousTestCase):
    """L{decode}, given what is no report."""

    @given(st.binary(max_size=3000) | st.binary(max_size=300).map(zlib.compress) | json_values.map(packed))
    def test_garbage_is_malformed(self, body: bytes) -> None:
        with contextlib.suppress(Malformed):
            report = decode(body)
            self.assertEqual(joined(split(report, UNPACKED_LIMIT)), report)

    @given(reports, st.data())
    def test_a_damaged_body_is_malformed_or_another_report(self, report: Report, data: st.DataObject) -> None:
        (body,) = split(report, UNPACKED_LIMIT)
        damaged = bytearray(body)
        damaged[data.draw(st.integers(0, len(body) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        with contextlib.suppress(Malformed):
            self.assertIsInstance(decode(bytes(damaged)), Report)

    @given(reports, st.data())
    def test_a_truncated_body_is_malformed(self, report: Report, data: st.DataObject) -> None:
        (body,) = split(report, UNPACKED_LIMIT)
        self.assertRaises(Malformed, decode, body[: data.draw(st.integers(0, len(body) - 1))])

    def test_bytes_after_the_body_are_malformed(self) -> None:
        (body,) = split(Report(), UNPACKED_LIMIT)
        self.assertRaises(Malformed, decode, body + b"x")

    def test_a_bomb_is_not_unpacked(self) -> None:
        self.assertRaises(Oversized, decode, zlib.compress(b" " * 50_000_000))

    def test_deep_nesting_is_malformed(self) -> None:
        self.assertRaises(Malformed, decode, zlib.compress(b"[" * 60_000))

    def test_an_endless_number_is_malformed(self) -> None:
        self.assertRaises(Malformed, decode, zlib.compress(b"9" * 60_000))

    def test_values_out_of_bounds_are_malformed(self) -> None:
        good = {"l": [[ONE, "OPEN", [["1", 0, 0, 0, 0, 0]]]], "m": [[ONE, [[OTHER, "UP"]]]], "b": [ONE]}
        self.assertIsInstance(decode(packed(good)), Report)
        bad: list[dict[str, Any]] = [
            {"l": [["x", "OPEN", []]]},
            {"l": [[ONE.replace("-", ""), "OPEN", []]]},
            {"l": [[f"{ONE}\n", "OPEN", []]]},
            {"l": [[ONE, "CLOSED", []]]},
            {"l": [[ONE, ["OPEN"], []]]},
            {"l": [[ONE, "OPEN", [["1", 0, 0, 0, 0]]]]},
            {"l": [[ONE, "OPEN", [["1", 0, 0, 0, 0, -1]]]]},
            {"l": [[ONE, "OPEN", [["1", 0, 0, 0, 0, 2**63]]]]},
            {"l": [[ONE, "OPEN", [["1", 0, 0, 0, 0, 1.0]]]]},
            {"l": [[ONE, "OPEN", [["1", 0, 0, 0, 0, True]]]]},
            {"l": [[ONE, "OPEN", [["", 0, 0, 0, 0, 0]]]]},
            {"l": [[ONE, "OPEN", [["\ud800", 0, 0, 0, 0, 0]]]]},
            {"l": [[ONE, "OPEN", [["e" * 65, 0, 0, 0, 0, 0]]]]},
            {"m": [[ONE, [[OTHER, "SIDEWAYS"]]]]},
            {"m": [["x", [[OTHER, "UP"]]]]},
            {"m": [[ONE, [["x", "UP"]]]]},
            {"b": ["x"]},
            {"b": None},
        ]
        for difference in bad:
            self.assertRaises(Malformed, decode, packed(good | difference))
        for key in good:
            self.assertRaises(Malformed, decode, packed({k: v for k, v in good.items() if k != key}))

    def test_one_unlike_what_was_sent_is_noticed(self) -> None:
        report = Report(members=(MemberReport(ONE, OTHER, "UP"),))
        other = evolve(report, members=(MemberReport(ONE, OTHER, "DOWN"),))
        self.assertNotEqual(decode(split(report, BODY_LIMIT)[0]), decode(split(other, BODY_LIMIT)[0]))
