"""Waiting with an ear for news."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, cast

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.controller.work import ConvergenceSettings, Means, Work
from octavia_tx.db.leases import Lease

LEASE = Lease(load_balancer_id="lb", holder="me", fence=1, attempts=0, pending_since=datetime(2026, 1, 1, tzinfo=UTC))


class Pausing(SynchronousTestCase):
    """A pause of 10 seconds."""

    def setUp(self) -> None:
        self.clock = Clock()
        nobody = cast(Any, None)
        means = Means(
            clock=self.clock,
            database=nobody,
            compute=nobody,
            network=nobody,
            driver=nobody,
            boots=nobody,
            providers=nobody,
            settings=ConvergenceSettings(),
        )
        self.assertEqual(evolve(means).now(), datetime(1970, 1, 1, tzinfo=UTC))
        self.work = Work(means, LEASE)

    def pause(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.work.pause(10.0))

    def test_it_takes_its_time(self) -> None:
        paused = self.pause()
        self.clock.advance(9.9)
        self.assertNoResult(paused)
        self.clock.advance(0.1)
        self.successResultOf(paused)
        self.assertFalse(self.work.interrupted)

    def test_news_ends_it_and_stopping_too(self) -> None:
        for interrupt in (Work.tell, Work.stop):
            self.setUp()
            paused = self.pause()
            interrupt(self.work)
            self.successResultOf(paused)
            self.assertTrue(self.work.interrupted)
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_news_from_before_leaves_no_pause(self) -> None:
        self.work.tell()
        self.successResultOf(self.pause())

    def test_cancelling_is_not_taken_for_news(self) -> None:
        paused = self.pause()
        paused.cancel()
        self.failureResultOf(paused, CancelledError)

    def test_a_rest_takes_its_time_whatever_the_news(self) -> None:
        self.work.tell()
        rested = Deferred.fromCoroutine(self.work.rest(0.05))
        self.work.tell()
        self.clock.advance(0.04)
        self.assertNoResult(rested)
        self.clock.advance(0.01)
        self.successResultOf(rested)
        paused = self.pause()
        self.successResultOf(paused)  # the news is still to be looked at

    def test_stopping_ends_a_rest_and_leaves_none(self) -> None:
        rested = Deferred.fromCoroutine(self.work.rest(0.05))
        self.work.stop()
        self.successResultOf(rested)
        self.successResultOf(Deferred.fromCoroutine(self.work.rest(0.05)))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelling_ends_a_rest_in_spite_of_news(self) -> None:
        rested = Deferred.fromCoroutine(self.work.rest(0.05))
        self.work.tell()
        rested.cancel()
        self.failureResultOf(rested, CancelledError)
