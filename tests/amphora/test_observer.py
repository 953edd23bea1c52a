"""When a load balancer is looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from amphora.observer import GAP, PROMPT, Watch


class Alarm:
    def ensure(self) -> None:
        pass

    def close(self) -> None:
        pass


class LoadBalancer:
    """With its readings."""

    identifier = "lb"

    def __init__(self) -> None:
        self.readings = self
        self.shows_something_else = False

    def alarm(self, _ring: Callable[[], None]) -> Alarm:
        return Alarm()

    async def differs(self) -> bool:
        return self.shows_something_else


class Watching(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.looks = 0
        self.busy: Deferred[None] | None = None
        self.load_balancer: Any = LoadBalancer()
        self.watch = Watch(self.clock, self.load_balancer, self.look)
        self.addCleanup(self.watch.end)

    async def look(self, _load_balancer: object) -> None:
        self.looks += 1
        if self.busy is not None:
            await self.busy

    def test_many_signs_are_one_look_and_that_is_soon(self) -> None:
        for _ in range(50):
            self.watch.hurry()
        self.clock.advance(PROMPT)
        self.assertEqual(self.looks, 1)
        self.clock.advance(10)
        self.assertEqual(self.looks, 1)

    def test_signs_without_end_leave_time_between_looks(self) -> None:
        for _ in range(1000):
            self.watch.hurry()
            self.clock.advance(0.01)
        self.assertTrue(10 / (GAP + PROMPT) - 5 < self.looks <= 10 / GAP + 1, self.looks)

    def test_a_sign_while_it_is_looked_at_means_another_look(self) -> None:
        self.busy = Deferred()
        self.watch.hurry()
        self.clock.advance(PROMPT)
        self.watch.hurry()
        self.clock.advance(GAP)
        self.assertEqual(self.looks, 1)
        self.busy.callback(None)
        self.clock.advance(GAP)
        self.assertEqual(self.looks, 2)

    def test_a_clock_that_was_set_back_delays_nothing(self) -> None:
        self.watch.hurry()
        self.clock.advance(PROMPT)
        self.clock.rightNow -= 500
        self.watch.hurry()
        self.clock.advance(GAP)
        self.assertEqual(self.looks, 2)

    def test_a_glance_leads_to_a_look_only_if_it_shows_something_else(self) -> None:
        self.watch.round(whole=False)
        self.clock.advance(1)
        self.assertEqual(self.looks, 0)
        self.load_balancer.shows_something_else = True
        self.watch.round(whole=False)
        self.clock.advance(PROMPT)
        self.assertEqual(self.looks, 1)

    def test_none_after_the_end(self) -> None:
        self.watch.hurry()
        self.watch.end()
        self.watch.hurry()
        self.watch.round(whole=True)
        self.load_balancer.shows_something_else = True
        self.watch.round(whole=False)
        self.assertEqual((self.looks, self.clock.getDelayedCalls()), (0, []))
