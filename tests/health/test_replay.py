from __future__ import annotations

import contextlib

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.health.replay import TOLERANCE, Replayed, ReplayGuard, SequenceGuard, Stale
from octavia_tx.wire.envelope import Header

NOW = 1_700_000_000.0
AMPHORA = "11111111-1111-4111-8111-111111111111"


def header(sequence: int = 1, boot: int = 1, time: float = NOW) -> Header:
    return Header(AMPHORA, f"{boot:08x}-0000-4000-8000-000000000000", sequence, time)


class OwnEnvelope(SynchronousTestCase):
    """L{ReplayGuard}."""

    def setUp(self) -> None:
        self.guard = ReplayGuard()

    def admits(self, *headers: Header, now: float = NOW) -> list[bool]:
        admitted = []
        for each in headers:
            try:
                self.guard.admit(each, now)
            except (Replayed, Stale):
                admitted.append(False)
            else:
                admitted.append(True)
        return admitted

    def test_one_that_comes_twice_counts_once(self) -> None:
        self.assertEqual(self.admits(header(5), header(5)), [True, False])

    def test_one_that_comes_late_counts(self) -> None:
        self.assertEqual(self.admits(header(5), header(7), header(6), header(6)), [True, True, True, False])

    def test_one_that_comes_far_too_late_does_not_count(self) -> None:
        self.assertEqual(self.admits(header(100), header(37), header(36)), [True, True, False])

    def test_a_jump_ahead_forgets_nothing_that_it_should_remember(self) -> None:
        self.assertEqual(self.admits(header(1), header(10**9), header(1)), [True, True, False])

    @given(st.lists(st.integers(0, 200), max_size=60))
    def test_no_sequence_ever_counts_twice(self, sequences: list[int]) -> None:
        self.guard = ReplayGuard()
        admitted = self.admits(*map(header, sequences))
        counted = [sequence for sequence, counts in zip(sequences, admitted, strict=True) if counts]
        self.assertEqual(len(counted), len(set(counted)))

    @given(st.permutations(range(64)))
    def test_any_order_within_the_window_counts_in_full(self, sequences: list[int]) -> None:
        self.guard = ReplayGuard()
        self.assertEqual(self.admits(*map(header, sequences)), [True] * 64)

    def test_one_from_too_long_ago_is_stale(self) -> None:
        self.guard.admit(header(time=NOW - TOLERANCE), NOW)
        self.assertRaises(Stale, self.guard.admit, header(2, time=NOW - TOLERANCE - 1), NOW)

    def test_one_from_the_future_is_stale(self) -> None:
        self.guard.admit(header(time=NOW + TOLERANCE), NOW)
        self.assertRaises(Stale, self.guard.admit, header(2, time=NOW + TOLERANCE + 1), NOW)

    def test_a_new_boot_starts_sequences_again(self) -> None:
        self.assertEqual(self.admits(header(900), header(1, boot=2, time=NOW + 1)), [True, True])

    def test_an_earlier_boot_does_not_count_any_more(self) -> None:
        self.assertEqual(
            self.admits(header(1), header(1, boot=2, time=NOW + 1), header(2, time=NOW + 2)), [True, True, False]
        )

    def test_one_of_an_unknown_boot_from_before_this_one_does_not_count(self) -> None:
        self.assertEqual(self.admits(header(1), header(1, boot=2, time=NOW - 1)), [True, False])

    def test_amphorae_are_told_apart(self) -> None:
        other = evolve(header(5), amphora_id="22222222-2222-4222-8222-222222222222")
        self.assertEqual(self.admits(header(5), other), [True, True])

    def test_what_is_kept_is_remembered_and_the_rest_is_not(self) -> None:
        self.admits(header(5))
        self.guard.forget({AMPHORA})
        self.assertEqual(self.admits(header(5)), [False])
        self.guard.forget(())
        self.assertEqual(self.admits(header(5)), [True])


class OpenStacksEnvelope(SynchronousTestCase):
    """L{SequenceGuard}."""

    def setUp(self) -> None:
        self.guard = SequenceGuard()

    def admits(self, sequence: int, now: float = NOW) -> bool:
        with contextlib.suppress(Replayed):
            self.guard.admit(AMPHORA, sequence, now)
            return True
        return False

    def test_sequences_grow(self) -> None:
        self.assertEqual([self.admits(s) for s in (40, 41, 41, 40, 43)], [True, True, False, False, True])

    def test_an_agents_new_start_is_heard_after_a_silence(self) -> None:
        self.assertTrue(self.admits(40))
        self.assertFalse(self.admits(0, NOW + 1))
        self.assertTrue(self.admits(0, NOW + 10))
        self.assertFalse(self.admits(0, NOW + 11))
        self.assertTrue(self.admits(1, NOW + 11))

    def test_silence_alone_lets_no_earlier_sequence_in(self) -> None:
        self.assertTrue(self.admits(400))
        self.assertFalse(self.admits(399, NOW + 1000))

    def test_what_is_not_kept_is_forgotten(self) -> None:
        self.admits(400)
        self.guard.forget({AMPHORA})
        self.assertFalse(self.admits(400))
        self.guard.forget(())
        self.assertTrue(self.admits(400))
