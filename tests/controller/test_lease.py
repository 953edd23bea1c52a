"""Holding a lease, on a clock that stands."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.controller.lease import Hold
from octavia_tx.errors import DatabaseUnavailable, LeaseLost


class Holding(SynchronousTestCase):
    """A lease of 3 seconds."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.renewed: list[float] = []
        self.answers: list[Any] = []
        self.working: Deferred[None] = Deferred()

    async def renew(self) -> bool:
        self.renewed.append(self.clock.seconds())
        answer = self.answers.pop(0) if self.answers else True
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Deferred):
            return bool(await answer)
        return bool(answer)

    async def work(self) -> None:
        await self.working

    def begin(self) -> Deferred[None]:
        return Deferred.fromCoroutine(Hold(self.clock, self.renew, 3.0).during(self.work()))

    def test_it_is_renewed_at_a_third_of_its_time_for_as_long_as_the_work_takes(self) -> None:
        held = self.begin()
        self.clock.pump([1.0] * 10)
        self.assertEqual(self.renewed, [float(n) for n in range(1, 11)])
        self.assertNoResult(held)
        self.working.callback(None)
        self.successResultOf(held)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_work_that_is_done_at_once_renews_nothing(self) -> None:
        self.working = succeed(None)
        self.successResultOf(self.begin())
        self.assertEqual((self.renewed, self.clock.getDelayedCalls()), ([], []))

    def test_a_lease_that_is_anothers_cancels_the_work(self) -> None:
        held = self.begin()
        self.answers = [True, False]
        self.clock.pump([1.0, 1.0])
        self.failureResultOf(held, LeaseLost)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_database_that_is_away_for_less_than_the_lease_loses_nothing(self) -> None:
        held = self.begin()
        self.answers = [DatabaseUnavailable("away"), DatabaseUnavailable("away")]
        self.clock.pump([1.0] * 8)
        self.assertNoResult(held)
        self.working.callback(None)
        self.successResultOf(held)

    def test_a_database_that_is_away_for_longer_loses_it(self) -> None:
        held = self.begin()
        self.answers = [True] + [DatabaseUnavailable("away")] * 9
        self.clock.pump([0.5] * 7)
        self.assertNoResult(held)
        self.clock.advance(0.5)
        self.failureResultOf(held, LeaseLost)
        self.assertEqual(self.clock.seconds(), 4.0)

    def test_a_renewal_that_gets_no_answer_loses_it_in_time(self) -> None:
        unanswered: Deferred[bool] = Deferred()
        held = self.begin()
        self.answers = [unanswered]
        self.clock.pump([1.0] * 3)
        self.assertTrue(self.working.called)
        unanswered.callback(True)
        self.failureResultOf(held, LeaseLost)

    def test_a_failure_of_the_work_is_its_own(self) -> None:
        held = self.begin()
        self.working.errback(ValueError("bad"))
        self.failureResultOf(held, ValueError)

    def test_cancelling_from_outside_cancels_the_work(self) -> None:
        held = self.begin()
        held.cancel()
        self.failureResultOf(held, CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])
