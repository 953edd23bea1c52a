from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.health.rounds import Rounds


class RoundsCase(SynchronousTestCase):
    """A job that takes as long as the test wants."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.begun: list[float] = []
        self.going: Deferred[None] | None = None
        self.error: Exception | None = None
        self.rounds = Rounds(self.clock, self.job)

    async def job(self) -> None:
        self.begun.append(self.clock.seconds())
        if self.error is not None:
            raise self.error
        if self.going is not None:
            await self.going

    def test_a_wish_is_fulfilled_in_time(self) -> None:
        self.rounds.within(2)
        self.clock.pump([1, 1, 1])
        self.assertEqual(self.begun, [2])

    def test_many_wishes_are_one_round(self) -> None:
        self.rounds.within(2)
        self.clock.advance(1)
        self.rounds.within(2)
        self.clock.pump([1, 1, 1])
        self.assertEqual(self.begun, [2])

    def test_a_more_pressing_wish_comes_first(self) -> None:
        self.rounds.within(5)
        self.rounds.within(1)
        self.clock.pump([1] * 6)
        self.assertEqual(self.begun, [1])

    def test_there_is_never_a_second_round_at_once(self) -> None:
        self.going = Deferred()
        self.rounds.within(0)
        self.clock.advance(0)
        self.rounds.within(1)
        self.clock.advance(3)
        self.assertEqual(self.begun, [0])
        going, self.going = self.going, None
        going.callback(None)
        self.clock.advance(0)
        self.assertEqual(self.begun, [0, 3])

    def test_a_wish_of_the_job_itself_is_for_the_round_after(self) -> None:
        async def job() -> None:
            self.begun.append(self.clock.seconds())
            self.rounds.within(1)
            if self.going is not None:
                await self.going

        self.going = Deferred()
        self.rounds = Rounds(self.clock, job)
        self.rounds.within(0)
        self.clock.pump([0, 1, 1])
        self.assertEqual(self.begun, [0])
        going, self.going = self.going, None
        going.callback(None)
        self.clock.advance(0)
        self.assertEqual(self.begun, [0, 2])

    def test_after_a_failure_there_is_another_round(self) -> None:
        self.error = ZeroDivisionError()
        self.rounds.within(0)
        self.clock.advance(0)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.error = None
        self.clock.advance(5)
        self.assertEqual(self.begun, [0, 5])

    def test_stopping_waits_for_the_round_and_begins_no_other(self) -> None:
        going = self.going = Deferred()
        self.rounds.within(0)
        self.clock.advance(0)
        self.rounds.within(1)
        stopped = Deferred.fromCoroutine(self.rounds.stop())
        self.assertNoResult(stopped)
        going.callback(None)
        self.successResultOf(stopped)
        self.rounds.within(0)
        self.clock.advance(10)
        self.assertEqual(self.begun, [0])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopping_forgets_what_was_wished(self) -> None:
        self.rounds.within(1)
        self.successResultOf(Deferred.fromCoroutine(self.rounds.stop()))
        self.assertEqual(self.clock.getDelayedCalls(), [])
