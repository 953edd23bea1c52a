"""The life of haproxy, with a runner in memory and a clock that stands still."""

from __future__ import annotations

import signal
from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from amphora.haproxy import (
    FIRST_DELAY,
    LAST_DELAY,
    SETTLED,
    START_LIMIT,
    TERM_LIMIT,
    Core,
    HaproxyLife,
    StartFailed,
    build,
)
from amphora.runner import ReloadRefused


@define(eq=False)
class Process:
    """A haproxy that does what the test says."""

    ended: Callable[[str], None]
    readiness: Deferred[None] = field(factory=Deferred)
    reloads: list[Deferred[None]] = field(factory=list)
    signals: list[int] = field(factory=list)
    released: bool = False

    def ready(self) -> Deferred[None]:
        return self.readiness

    def reload(self) -> Deferred[None]:
        self.reloads.append(Deferred())
        return self.reloads[-1]

    def signal(self, number: int) -> None:
        self.signals.append(number)

    def release(self) -> None:
        self.released = True


class Processes:
    """A runner that remembers."""

    def __init__(self) -> None:
        self.all: list[Process] = []
        self.missing = False

    def spawn(self, ended: Callable[[str], None]) -> Process:
        if self.missing:
            raise FileNotFoundError("haproxy")
        self.all.append(Process(ended))
        return self.all[-1]


class LifeCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.runner = Processes()
        self.life: HaproxyLife = build()(Core("lb", self.clock, self.runner))

    @property
    def process(self) -> Process:
        return self.runner.all[-1]

    def settle(self) -> None:
        self.clock.advance(0)

    def end(self, said: str = "") -> None:
        self.process.ended(said)
        self.settle()

    def serve(self) -> Process:
        started = self.life.start()
        self.process.readiness.callback(None)
        self.settle()
        self.successResultOf(started)
        return self.process


class Starting(LifeCase):
    def test_start_is_done_when_the_worker_serves(self) -> None:
        started = self.life.start()
        self.settle()
        self.assertNoResult(started)
        self.assertFalse(self.life.serves())
        self.process.readiness.callback(None)
        self.settle()
        self.successResultOf(started)
        self.assertTrue(self.life.serves())

    def test_reload_of_a_stopped_one_starts_it(self) -> None:
        reloaded = self.life.reload()
        self.process.readiness.callback(None)
        self.settle()
        self.successResultOf(reloaded)

    def test_start_of_one_that_serves_changes_nothing(self) -> None:
        self.serve()
        self.successResultOf(self.life.start())
        self.assertEqual(len(self.runner.all), 1)

    def test_a_failed_start_tells_what_haproxy_said(self) -> None:
        started = self.life.start()
        self.end("cannot bind socket")
        failure = self.failureResultOf(started, StartFailed)
        self.assertEqual(str(failure.value), "cannot bind socket")
        self.assertFalse(self.life.serves())

    def test_a_program_that_is_not_there_is_a_failed_start(self) -> None:
        self.runner.missing = True
        started = self.life.start()
        self.settle()
        self.settle()
        self.failureResultOf(started, StartFailed)

    def test_one_that_never_serves_is_killed(self) -> None:
        started = self.life.start()
        self.clock.advance(START_LIMIT)
        self.assertEqual(self.process.signals, [signal.SIGKILL])
        self.end()
        self.failureResultOf(started, StartFailed)

    def test_a_reload_during_a_start_comes_after_it(self) -> None:
        self.life.start()
        reloaded = self.life.reload()
        self.process.readiness.callback(None)
        self.settle()
        self.assertNoResult(reloaded)
        self.process.reloads[0].callback(None)
        self.settle()
        self.successResultOf(reloaded)


class Reloading(LifeCase):
    def test_a_reload_is_done_when_the_new_worker_serves(self) -> None:
        self.serve()
        reloaded = self.life.reload()
        self.settle()
        self.assertNoResult(reloaded)
        self.assertTrue(self.life.serves())
        self.process.reloads[0].callback(None)
        self.settle()
        self.successResultOf(reloaded)

    def test_after_a_refused_reload_the_old_worker_serves_on(self) -> None:
        self.serve()
        reloaded = self.life.reload()
        self.process.reloads[0].errback(ReloadRefused("no"))
        self.settle()
        self.failureResultOf(reloaded, ReloadRefused)
        self.assertTrue(self.life.serves())
        self.assertEqual(len(self.runner.all), 1)

    def test_one_that_ends_while_it_reloads_is_started_again(self) -> None:
        self.serve()
        reloaded = self.life.reload()
        self.end("oops")
        self.failureResultOf(reloaded, StartFailed)
        self.clock.advance(1)
        self.assertEqual(len(self.runner.all), 2)


class Restarting(LifeCase):
    def test_one_that_ends_is_started_again_within_a_second(self) -> None:
        self.serve()
        self.end()
        self.assertFalse(self.life.serves())
        self.clock.advance(1)
        self.process.readiness.callback(None)
        self.assertTrue(self.life.serves())
        self.assertEqual(len(self.runner.all), 2)

    def test_one_that_keeps_ending_is_started_less_and_less_soon(self) -> None:
        self.serve()
        delays = []
        for _ in range(12):
            before = self.clock.seconds()
            count = len(self.runner.all)
            self.end()
            while len(self.runner.all) == count:
                self.clock.advance(FIRST_DELAY)
            delays.append(round(self.clock.seconds() - before, 3))
        self.assertEqual(delays, sorted(delays))
        self.assertLess(delays[0], 1)
        self.assertLess(abs(delays[-1] - LAST_DELAY), 2 * FIRST_DELAY)

    def test_one_that_ran_long_is_started_again_at_once(self) -> None:
        self.serve()
        for _ in range(5):
            self.end()
            self.clock.advance(LAST_DELAY)
        self.process.readiness.callback(None)
        self.clock.advance(SETTLED)
        count = len(self.runner.all)
        self.end()
        self.clock.advance(FIRST_DELAY)
        self.assertEqual(len(self.runner.all), count + 1)

    def test_a_reload_while_it_waits_starts_it_at_once(self) -> None:
        self.serve()
        self.end()
        reloaded = self.life.reload()
        self.assertEqual(len(self.runner.all), 2)
        self.process.readiness.callback(None)
        self.settle()
        self.successResultOf(reloaded)
        self.clock.advance(LAST_DELAY)
        self.assertEqual(len(self.runner.all), 2)


class Stopping(LifeCase):
    def test_stop_is_done_when_nothing_runs(self) -> None:
        self.serve()
        stopped = self.life.stop()
        self.settle()
        self.assertNoResult(stopped)
        self.assertEqual(self.process.signals, [signal.SIGTERM])
        self.end()
        self.successResultOf(stopped)
        self.clock.advance(LAST_DELAY)
        self.assertEqual(len(self.runner.all), 1)

    def test_one_that_does_not_heed_is_killed_after_a_second(self) -> None:
        self.serve()
        self.life.stop()
        self.clock.advance(TERM_LIMIT)
        self.assertEqual(self.process.signals, [signal.SIGTERM, signal.SIGKILL])

    def test_a_stop_while_it_starts_ends_both(self) -> None:
        started = self.life.start()
        stopped = self.life.stop()
        self.end()
        self.failureResultOf(started, StartFailed)
        self.successResultOf(stopped)

    def test_a_stopped_one_is_not_started_again(self) -> None:
        self.serve()
        self.end()
        self.successResultOf(self.life.stop())
        self.clock.advance(LAST_DELAY)
        self.assertEqual(len(self.runner.all), 1)

    def test_a_start_while_it_stops_comes_after(self) -> None:
        self.serve()
        self.life.stop()
        started = self.life.start()
        self.end()
        self.assertEqual(len(self.runner.all), 2)
        self.process.readiness.callback(None)
        self.settle()
        self.successResultOf(started)


class Draining(LifeCase):
    def test_it_is_told_once_and_accepts_no_more(self) -> None:
        self.serve()
        for _ in range(2):
            self.life.drain()
        self.assertEqual(self.process.signals, [signal.SIGUSR1])
        self.assertEqual((self.life.serves(), self.life.drains()), (False, True))

    def test_when_its_last_connection_ends_it_is_not_started_again(self) -> None:
        self.serve()
        self.life.drain()
        self.end()
        self.clock.advance(LAST_DELAY)
        self.assertEqual(len(self.runner.all), 1)
        self.assertFalse(self.life.drains())

    def test_a_stop_ends_its_connections(self) -> None:
        self.serve()
        self.life.drain()
        stopped = self.life.stop()
        self.assertEqual(self.process.signals, [signal.SIGUSR1, signal.SIGTERM])
        self.end()
        self.successResultOf(stopped)

    def test_a_start_or_reload_begins_anew(self) -> None:
        for reloads in (False, True):
            self.setUp()
            self.serve()
            self.life.drain()
            begun = self.life.reload() if reloads else self.life.start()
            self.end()
            self.process.readiness.callback(None)
            self.settle()
            self.successResultOf(begun)
            self.assertEqual((len(self.runner.all), self.life.serves()), (2, True))

    def test_one_that_starts_or_waits_for_its_restart_is_stopped(self) -> None:
        started = self.life.start()
        self.life.drain()
        self.end()
        self.failureResultOf(started, StartFailed)
        self.serve()
        self.end()
        self.life.drain()
        self.clock.advance(LAST_DELAY)
        self.assertEqual(len(self.runner.all), 2)

    def test_one_that_reloads_is_drained_all_the_same(self) -> None:
        self.serve()
        reloaded = self.life.reload()
        self.life.drain()
        self.settle()
        self.failureResultOf(reloaded, StartFailed)
        self.assertTrue(self.life.drains())

    def test_one_that_does_not_run_or_stops_has_nothing_to_drain(self) -> None:
        self.life.drain()
        self.assertEqual(self.runner.all, [])
        self.serve()
        stopped = self.life.stop()
        self.life.drain()
        self.end()
        self.successResultOf(stopped)
        self.life.release()
        self.life.drain()
        self.assertFalse(self.life.drains())

    def test_when_the_agent_ends_it_goes_on(self) -> None:
        process = self.serve()
        self.life.drain()
        self.life.release()
        self.assertTrue(process.released)


class TakingOver(LifeCase):
    def test_an_adopted_one_serves_without_a_start(self) -> None:
        self.life.adopt(Process(lambda said: None))
        self.assertTrue(self.life.serves())
        self.assertEqual(self.runner.all, [])

    def test_when_the_agent_ends_haproxy_goes_on(self) -> None:
        process = self.serve()
        self.life.release()
        self.assertTrue(process.released)
        self.assertEqual(process.signals, [])
        self.failureResultOf(self.life.start(), CancelledError)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_agent_that_ends_starts_nothing_any_more(self) -> None:
        self.serve()
        self.end()
        self.life.release()
        self.clock.advance(LAST_DELAY)
        self.assertEqual(len(self.runner.all), 1)
