"""
One transaction on one connection.

What the server is asked to do is never interrupted. A caller that is cancelled (a client hung up) leaves at once; the
statement under way ends, then everything is rolled back, or, once COMMIT is sent, committed. Only the deadline ends a
statement, and with it the connection.

C{BEGIN} travels with the first statement that writes or locks, and what is executed L{together} with what comes after
it. Reads before it need none: in PostgreSQL's default isolation each statement sees what is committed when it starts,
inside a transaction or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from octavia_tx.db.connection import Connection
from octavia_tx.db.failures import means
from octavia_tx.db.pool import Pool
from octavia_tx.db.selection import Selection, Shape, selected, shaped
from octavia_tx.db.statements import Statement
from octavia_tx.errors import DatabaseUnavailable
from octavia_tx.shielding import shielded


def _rows(cursor: Any) -> list[dict[str, Any]]:
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


class Transaction:
    """
    What repositories run their statements on. Use it in C{async with}; L{Database.transaction} makes it.

    @param deadline: seconds for all of it: waiting for a connection, every statement, COMMIT.
    @param read_only: no transaction at all; statements that write are refused.
    """

    def __init__(
        self,
        clock: IReactorTime,
        pool: Pool,
        statements: Mapping[str, Statement],
        *,
        where: str,
        deadline: float,
        read_only: bool = False,
    ) -> None:
        self._clock = clock
        self._pool = pool
        self._statements = statements
        self._where = where
        self._deadline = deadline
        self._read_only = read_only
        self._connection: Connection | None = None
        self._timer: IDelayedCall | None = None
        self._waiter: Deferred[Connection] | None = None
        self._running: Deferred[Any] | None = None
        self._together: list[str] | None = None
        self._queue: list[str] = []
        self._begun = False
        self._expired = False
        self._error: BaseException | None = None

    # Statements.

    async def fetch(self, statement: str, shape: Shape | None = None, /, **values: Any) -> list[dict[str, Any]]:
        """
        The rows that a named statement gives.

        @param shape: the table whose name and columns the statement leaves room for.
        @raise Conflict: a row contradicts what exists.
        @raise DatabaseUnavailable: no connection, or no answer in time.
        """
        return _rows(await self._perform(self._statement(statement, shape), values))

    async def fetch_one(self, statement: str, shape: Shape | None = None, /, **values: Any) -> dict[str, Any] | None:
        """The first row that a named statement gives, or C{None}. Raises what L{fetch} raises."""
        rows = await self.fetch(statement, shape, **values)
        return rows[0] if rows else None

    async def select(self, statement: str, shape: Shape, selection: Selection, /) -> list[dict[str, Any]]:
        """The rows of a selection that a named statement leaves room for. Raises what L{fetch} raises."""
        return _rows(await self._perform(*selected(self._statements, self._statement(statement, shape), selection)))

    async def execute(self, statement: str, shape: Shape | None = None, /, **values: Any) -> int:
        """Run a named statement, and say how many rows it touched. Raises what L{fetch} raises."""
        known = self._statement(statement, shape)
        if self._together is not None and self._connection is not None:
            self._together.append(self._connection.spelled(known.text, values))
            return 0
        cursor = await self._perform(known, values)
        return int(cursor.rowcount)

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """
        What is executed within this is sent with the next statement, or with COMMIT, in one round trip; that raises
        what goes wrong. How many rows each touches isn't told, and nothing can be fetched meanwhile.
        """
        together = self._together = []
        try:
            yield
        finally:
            self._together = None
        self._queue += together

    def _statement(self, name: str, shape: Shape | None) -> Statement:
        statement = self._statements[name]
        return statement if shape is None else shaped(statement, shape)

    async def script(self, text: str) -> None:
        """Run many statements at once, such as a migration; a percent sign is a percent sign."""
        await self._perform(Statement("script", text, reads=False), None)

    async def _perform(self, statement: Statement, values: Mapping[str, Any] | None) -> Any:
        connection = self._connection
        if connection is None or self._running is not None or self._together is not None:
            raise RuntimeError("A transaction runs one statement at a time, and only inside its 'async with'.")
        if self._expired:
            raise self._too_late()
        if self._error is not None:
            raise self._error
        query = statement.text
        if self._queue and values is not None:
            query, values = connection.spelled(query, values), None
        query = self._accompanied(query, writes=not statement.reads)
        running = connection.perform(query, values)
        self._running = running
        running.addBoth(self._answered)
        return await shielded(running)

    def _accompanied(self, query: str, *, writes: bool) -> str:
        """A query with what goes before it: C{BEGIN}, and what waits to go along."""
        queue, self._queue = self._queue, []
        begin = ""
        if (writes or queue) and not self._begun:
            if self._read_only:
                raise ValueError("A transaction for reading was asked to write.")
            self._begun = True
            begin = "BEGIN;"
        return begin + ";\n".join([*queue, query])

    def _answered(self, result: Any) -> Any:
        self._running = None
        if not isinstance(result, Failure):
            if self._connection is not None and self._connection.usable:
                return result
            result = Failure(ConnectionDone())  # the answer came, but its rows went with the connection
        translated = self._translated(result)
        if self._begun:
            self._error = translated.value
        return translated

    def _translated(self, failure: Failure) -> Failure:
        cause = failure.value
        assert cause is not None
        error = self._too_late() if self._expired else means(cause, self._where)
        if error is cause:
            return failure
        error.__cause__ = cause
        return Failure(error)

    # Begin and end.

    async def __aenter__(self) -> Transaction:
        waiter = self._waiter = self._pool.acquire()
        self._timer = self._clock.callLater(self._deadline, self._expire)
        try:
            self._connection = await waiter
        except CancelledError:
            if self._expired:
                raise self._too_late() from None
            raise
        finally:
            self._waiter = None
            if self._connection is None:
                self._stop_timer()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._error is None and (self._begun or self._queue):
            await self._commit()
            return
        if not self._begun and self._running is None:
            self._end()
            return
        ended = self._roll_back()
        if not isinstance(error, CancelledError):
            await shielded(ended)
        if error is None and self._error is not None:
            raise self._error  # caught inside, but the transaction is lost all the same

    async def _commit(self) -> None:
        if self._expired or self._connection is None:
            self._end()
            raise self._too_late()
        committing = self._connection.perform(self._accompanied("COMMIT", writes=True), None)
        committing.addCallbacks(self._ended, self._not_committed)
        await shielded(committing)

    def _not_committed(self, failure: Failure) -> Deferred[Any]:
        """Where it's what went along with COMMIT that failed, the transaction is open still."""
        failure = self._in_doubt(failure)
        return self._roll_back().addCallback(lambda _: failure)

    def _in_doubt(self, failure: Failure) -> Failure:
        translated = self._translated(failure)
        if not translated.check(DatabaseUnavailable):
            return translated
        return Failure(DatabaseUnavailable(f"{translated.value} Whether the change was made isn't known: look again."))

    def _roll_back(self) -> Deferred[Any]:
        """Wait for the statement under way, undo everything, and give the connection back."""
        connection, running = self._connection, self._running
        assert connection is not None
        ended: Deferred[Any] = Deferred()

        def answered(result: Any) -> Any:
            ended.callback(None)
            return result

        def undo(_: object) -> Deferred[Any] | None:
            return connection.perform("ROLLBACK", None) if connection.usable and self._begun else None

        def broken(_: Failure) -> None:
            connection.close()  # in an unknown state: not for the next one

        if running is None:
            ended.callback(None)
        else:
            running.addBoth(answered)
        ended.addCallback(undo).addErrback(broken).addBoth(self._ended)
        return ended

    def _ended(self, result: Any) -> Any:
        self._end()
        return result

    def _end(self) -> None:
        self._stop_timer()
        connection, self._connection = self._connection, None
        if connection is not None:
            self._pool.release(connection)

    # The deadline.

    def _expire(self) -> None:
        self._expired = True
        if self._waiter is not None:
            self._waiter.cancel()
        elif self._connection is not None:
            self._connection.close()

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _too_late(self) -> DatabaseUnavailable:
        return DatabaseUnavailable(f"PostgreSQL at {self._where} didn't answer within {self._deadline:g} seconds.")
