"""Tests of C{octavia_tx.cloud.threads}: real threads, ended with each test."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import NoReturn

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, gatherResults
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from octavia_tx.cloud.threads import PATIENCE, Threads


class ThreadsClock(Clock):
    """Hears nothing of threads."""

    def callFromThread(self, function: Callable[..., object], *args: object) -> None:
        """It isn't called."""


class ThreadsTests(TestCase):
    timeout = 10

    def setUp(self) -> None:
        self.threads = Threads(reactor, 2, "test")
        self.threads.startService()
        self.addCleanup(self.threads.stopService)
        self.gate = threading.Event()
        self.addCleanup(self.gate.set)

    async def test_a_call_gives_what_its_function_gives_in_another_thread(self) -> None:
        def ask(one: int, *, other: int) -> tuple[int, int]:
            return one + other, threading.get_ident()

        given, where = await self.threads.call(ask, 1, other=2)
        self.assertEqual(given, 3)
        self.assertNotEqual(where, threading.get_ident())

    async def test_what_the_function_raises_is_raised(self) -> None:
        def refuse() -> NoReturn:
            raise LookupError("no")

        with self.assertRaises(LookupError):
            await self.threads.call(refuse)

    async def test_no_more_run_at_once_than_there_are_threads(self) -> None:
        running, most, lock = [0], [0], threading.Lock()
        together = threading.Barrier(2, timeout=5)

        def work() -> None:
            with lock:
                running[0] += 1
                most[0] = max(most[0], running[0])
            together.wait()
            with lock:
                running[0] -= 1

        await gatherResults([self.threads.call(work) for _ in range(6)])
        self.assertEqual(most, [2])

    async def test_one_cancelled_before_its_turn_is_never_called(self) -> None:
        called = []
        busy = [self.threads.call(self.gate.wait) for _ in range(2)]
        waiting, next_one = self.threads.call(called.append, "cancelled"), self.threads.call(called.append, "next")
        waiting.cancel()
        with self.assertRaises(CancelledError):
            await waiting
        self.gate.set()
        await gatherResults([*busy, next_one])
        self.assertEqual(called, ["next"])

    async def test_one_cancelled_in_the_middle_is_waited_for_at_the_end(self) -> None:
        begun, done = threading.Event(), []

        def work() -> None:
            begun.set()
            self.gate.wait()
            done.append(True)

        working = self.threads.call(work)
        await self.threads.call(begun.wait)
        working.cancel()
        with self.assertRaises(CancelledError):
            await working
        stopping = self.threads.stopService()
        self.assertFalse(stopping.called)
        self.gate.set()
        await stopping
        self.assertEqual(done, [True])

    async def test_one_that_hangs_is_left_behind_at_the_end(self) -> None:
        clock = ThreadsClock()
        threads = Threads(clock, 1, "hanging")
        threads.startService()
        hanging = threads.call(self.gate.wait)
        stopping = threads.stopService()
        clock.advance(PATIENCE - 0.1)
        self.assertFalse(stopping.called)
        clock.advance(0.1)
        await stopping
        self.assertFalse(hanging.called)

    async def test_none_is_taken_before_the_start_or_after_the_end(self) -> None:
        with self.assertRaises(RuntimeError):
            await Threads(reactor, 1, "new").call(self.fail)
        await self.threads.stopService()
        with self.assertRaises(RuntimeError):
            await self.threads.call(self.fail)

    async def test_no_thread_outlives_the_end_and_they_can_be_begun_again(self) -> None:
        def mine() -> list[str]:
            return [thread.name for thread in threading.enumerate() if "begun-again" in thread.name]

        threads = Threads(reactor, 2, "begun-again")
        for _ in range(2):
            threads.startService()
            self.assertEqual(await threads.call(lambda: 1), 1)
            self.assertNotEqual(mine(), [])
            await threads.stopService()
            self.assertEqual(mine(), [])
