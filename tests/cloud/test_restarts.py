"""Tests of C{octavia_tx.cloud.restarts}."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.restarts import LONGEST, STEADY, Restarts, pause


class RestartsTests(SynchronousTestCase):
    """L{Restarts}."""

    def test_one_that_lives_is_not_due(self) -> None:
        self.assertFalse(Restarts(started_at=0).is_due(1000))

    def test_the_first_death_is_mended_at_once(self) -> None:
        self.assertTrue(Restarts(started_at=0).died(1).is_due(1))
        self.assertTrue(Restarts(started_at=0).died(1000).is_due(1000))

    def test_early_deaths_in_a_row_are_mended_later_and_later(self) -> None:
        fate, now, pauses = Restarts(started_at=0), 0.0, []
        for _ in range(5):
            fate = fate.died(now)
            assert fate.due_at is not None
            pauses.append(fate.due_at - now)
            now = fate.due_at
            fate = fate.started(now)
        self.assertEqual(pauses, [0, 1, 2, 4, 8])

    def test_a_long_life_makes_up_for_early_deaths(self) -> None:
        fate = Restarts(started_at=0, early_deaths=9).died(STEADY)
        self.assertTrue(fate.is_due(STEADY))

    def test_the_same_death_counts_once(self) -> None:
        dead = Restarts(started_at=0, early_deaths=3).died(1)
        self.assertEqual(dead.died(2), dead)

    def test_one_found_alive_was_started_by_somebody(self) -> None:
        self.assertFalse(Restarts(started_at=0).died(1).lives(2).is_due(1000))

    @given(st.integers(0, 10**9))
    def test_no_pause_is_too_long(self, deaths: int) -> None:
        self.assertTrue(0 <= pause(deaths) <= LONGEST)
