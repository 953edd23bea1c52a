"""One target's work: when it tries, when it rests, and what it says."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from amphora.logs.shipper import LAST_DELAY, Shipper, Undelivered


class Sender:
    """
    Does what it is told to, one thing after the other; then there's nothing to send.
    """

    def __init__(self, *outcomes: bool | Undelivered | Deferred[bool]) -> None:
        self.outcomes = list(outcomes)
        self.asked = 0
        self.closed = 0

    async def send(self) -> bool:
        self.asked += 1
        outcome = self.outcomes.pop(0) if self.outcomes else False
        if isinstance(outcome, Undelivered):
            raise outcome
        return await outcome if isinstance(outcome, Deferred) else outcome

    def close(self) -> None:
        self.closed += 1


class Working(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.denied = 0
        self.events: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.events.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.events.append)

    def start(self, *outcomes: bool | Undelivered | Deferred[bool]) -> Sender:
        def denied() -> None:
            self.denied += 1

        self.sender = Sender(*outcomes)
        self.shipper = Shipper(self.clock, "a log", self.sender, denied, lambda: 0.5)
        self.shipper.start()
        self.addCleanup(self.stop)
        return self.sender

    def stop(self) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.shipper.stop()))

    def levels(self) -> list[str]:
        return [e["log_level"].name for e in self.events if e.get("what") == "a log"]

    def test_it_sends_until_there_is_nothing_and_then_waits_for_news(self) -> None:
        sender = self.start(True, True)
        self.assertEqual(sender.asked, 3)
        self.clock.advance(1000)
        self.assertEqual(sender.asked, 3)
        self.shipper.wake()
        self.assertEqual(sender.asked, 4)

    def test_after_failures_it_waits_longer_and_longer_and_news_do_not_hasten_it(self) -> None:
        sender = self.start(*(Undelivered("no connection") for _ in range(20)))
        delay = 1.0
        for tried in range(1, 12):
            self.assertEqual(sender.asked, tried)
            self.shipper.wake()
            self.clock.advance(delay - 0.01)
            self.assertEqual(sender.asked, tried)
            self.clock.advance(0.01)
            delay = min(LAST_DELAY, delay * 2)
        self.assertEqual(self.shipper.problem, "no connection")
        self.assertEqual(self.levels(), ["warn"])

    def test_where_what_failed_is_dropped_meanwhile_it_goes_on_with_what_follows(self) -> None:
        sender = self.start(Undelivered("no connection"), False, True)
        self.clock.advance(1.0)
        self.assertEqual(sender.asked, 2)  # there's nothing, for now
        self.shipper.wake()
        self.assertEqual(sender.asked, 4)
        self.assertIsNone(self.shipper.problem)

    def test_what_nobody_expected_is_told_and_tried_again(self) -> None:
        sender = self.start(Deferred(), True)
        waiting: Deferred[bool] = Deferred()
        sender.outcomes = [waiting, True]
        self.stop()
        self.shipper.start()
        waiting.errback(KeyError("what"))
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        self.assertEqual(self.shipper.problem, "KeyError: 'what'")
        self.clock.advance(1)
        self.assertIsNone(self.shipper.problem)

    def test_it_can_be_hastened(self) -> None:
        sender = self.start(*(Undelivered("x") for _ in range(5)), True)
        self.clock.pump([1, 2, 4])
        self.assertEqual(sender.asked, 4)
        self.shipper.hasten()
        self.assertEqual(sender.asked, 5)
        self.clock.advance(2)
        self.assertEqual(sender.asked, 7)

    def test_success_ends_the_waiting(self) -> None:
        sender = self.start(Undelivered("x"), Undelivered("x"), True, Undelivered("x"))
        self.clock.advance(1)
        self.clock.advance(2)
        self.assertEqual(sender.asked, 4)
        self.clock.advance(1)
        self.assertEqual(sender.asked, 5)
        self.assertEqual(self.levels(), ["warn", "info", "warn"])

    def test_who_is_not_let_in_says_so_once_loudly_and_asks_for_help_each_time(self) -> None:
        self.start(*(Undelivered("401", denied=True) for _ in range(3)))
        self.clock.pump([1, 2])
        self.assertEqual(self.levels(), ["error"])
        self.assertEqual(self.denied, 3)

    def test_news_that_come_while_it_sends_are_not_missed(self) -> None:
        sending: Deferred[bool] = Deferred()
        sender = self.start(sending)
        self.shipper.wake()
        sending.callback(False)
        self.assertEqual(sender.asked, 2)

    def test_stopping_ends_what_is_under_way_even_where_that_looks_like_a_failure(self) -> None:
        sending: Deferred[bool] = Deferred(lambda d: d.errback(Undelivered("cancelled")))
        sender = self.start(sending)
        self.stop()
        self.assertEqual((sender.asked, sender.closed), (1, 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_stopping_while_it_waits_ends_it(self) -> None:
        self.start(Undelivered("x"))
        self.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
