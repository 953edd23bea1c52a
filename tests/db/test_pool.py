"""The pool, over connections that are only pretended."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.db.pool import Pool
from octavia_tx.errors import DatabaseUnavailable


class Pretended:
    """A connection without a server."""

    def __init__(self) -> None:
        self.usable = True
        self.lost: Callable[[Any], None] | None = None

    def close(self) -> None:
        self.usable = False
        lost, self.lost = self.lost, None
        if lost is not None:
            lost(self)


class PoolTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.opening: list[Deferred[Any]] = []
        self.refusing = False
        self.pool = Pool(self.connect, 2)

    def connect(self) -> Deferred[Any]:
        if self.refusing:
            return fail(DatabaseUnavailable("nobody listens"))
        opening: Deferred[Any] = Deferred()
        self.opening.append(opening)
        return opening

    def open(self) -> Pretended:
        connection = Pretended()
        self.opening.pop(0).callback(connection)
        return connection

    def lend(self) -> Pretended:
        self.pool.acquire()
        return self.open()

    def test_connections_are_opened_when_needed_and_no_more_than_the_size(self) -> None:
        self.assertEqual(self.opening, [])
        for _ in range(3):
            self.pool.acquire()
        self.assertEqual(len(self.opening), 2)

    def test_a_released_connection_serves_the_next_in_order(self) -> None:
        first = self.pool.acquire()
        connection = self.open()
        self.assertIs(self.successResultOf(first), connection)
        self.pool.acquire()
        self.open()
        third, fourth = self.pool.acquire(), self.pool.acquire()
        self.pool.release(connection)  # type: ignore[arg-type]
        self.assertIs(self.successResultOf(third), connection)
        self.assertNoResult(fourth)

    def test_an_idle_connection_is_used_again(self) -> None:
        self.pool.acquire()
        connection = self.open()
        self.pool.release(connection)  # type: ignore[arg-type]
        self.assertIs(self.successResultOf(self.pool.acquire()), connection)
        self.assertEqual(self.opening, [])

    def test_a_broken_connection_never_comes_back_and_is_replaced(self) -> None:
        self.pool.acquire()
        connection = self.open()
        connection.close()
        self.pool.release(connection)  # type: ignore[arg-type]
        again = self.pool.acquire()
        replacement = self.open()
        self.assertIs(self.successResultOf(again), replacement)
        self.assertIsNot(replacement, connection)

    def test_an_idle_connection_that_breaks_is_forgotten(self) -> None:
        self.pool.acquire()
        connection = self.open()
        self.pool.release(connection)  # type: ignore[arg-type]
        connection.close()
        self.assertNoResult(self.pool.acquire())
        self.assertEqual(len(self.opening), 1)

    def test_a_waiter_that_gives_up_leaves_the_connection_to_the_next(self) -> None:
        first, second = self.pool.acquire(), self.pool.acquire()
        self.pool.acquire()
        first.cancel()
        self.failureResultOf(first, CancelledError)
        self.assertIs(self.open(), self.successResultOf(second))

    def test_a_server_that_refuses_is_told_to_everyone_who_waits(self) -> None:
        waiters = [self.pool.acquire() for _ in range(4)]
        attempts = 0
        while self.opening:
            attempts += 1
            self.opening.pop(0).errback(DatabaseUnavailable("refused"))
        for waiter in waiters:
            self.failureResultOf(waiter, DatabaseUnavailable)
        self.assertLessEqual(attempts, 4)
        self.pool.acquire()
        self.assertEqual(len(self.opening), 1, "and the next one tries again")

    def test_who_comes_after_an_attempt_began_does_not_share_its_failure(self) -> None:
        first = self.pool.acquire()
        later = self.pool.acquire()
        third = self.pool.acquire()
        self.opening.pop(0).errback(DatabaseUnavailable("frozen long ago"))
        self.failureResultOf(first, DatabaseUnavailable)
        self.assertNoResult(later)
        self.assertEqual(len(self.opening), 2, "one of its own for each of them")
        self.open()
        self.successResultOf(later)
        self.assertNoResult(third)

    def test_while_some_connections_work_the_others_wait(self) -> None:
        self.pool.acquire()
        connection = self.open()
        waiter = self.pool.acquire()
        self.opening.pop(0).errback(DatabaseUnavailable("too many connections"))
        self.assertNoResult(waiter)
        self.pool.release(connection)  # type: ignore[arg-type]
        self.assertIs(self.successResultOf(waiter), connection)

    def test_a_server_that_is_gone_at_once_keeps_nobody(self) -> None:
        lent = [self.lend(), self.lend()]
        waiting = [self.pool.acquire() for _ in range(3)]
        self.refusing = True
        for connection in lent:
            connection.close()
            self.pool.release(connection)  # type: ignore[arg-type]
        for waiter in waiting:
            self.failureResultOf(waiter, DatabaseUnavailable)

    def test_closing_waits_for_what_is_lent_and_refuses_the_rest(self) -> None:
        self.pool.acquire()
        connection = self.open()
        waiting = [self.pool.acquire(), self.pool.acquire()]
        closed = self.pool.close()
        for waiter in waiting:
            self.failureResultOf(waiter, DatabaseUnavailable)
        self.failureResultOf(self.pool.acquire(), DatabaseUnavailable)
        self.assertNoResult(closed)
        self.pool.release(connection)  # type: ignore[arg-type]
        self.assertFalse(connection.usable)
        self.assertNoResult(closed)
        late = self.open()
        self.assertFalse(late.usable, "opened too late: nobody wants it")
        self.successResultOf(closed)
