"""The door to PostgreSQL: transactions, single reads, and notifications."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, ensureDeferred
from twisted.python.failure import Failure

from octavia_tx.db.connection import Connection, address
from octavia_tx.db.failures import first_line
from octavia_tx.db.listening import Listening
from octavia_tx.db.pool import Pool
from octavia_tx.db.statements import directory, load
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import DatabaseUnavailable


class Database(Service):
    """
    A PostgreSQL database, asked through a few connections that are opened when needed and replaced when they break.

    @param dsn: a connection string or C{postgresql://} URI.
    @param size: connections at most, besides one for each channel listened to.
    @param deadline: seconds that a transaction may take in all before it fails with L{DatabaseUnavailable}.
    @raise SettingsError: C{dsn} can't be understood.
    """

    name = "database"

    def __init__(
        self, reactor: Any, dsn: str, *, size: int = 5, deadline: float = 5.0, sql: Path | None = None
    ) -> None:
        self._reactor = reactor
        self._address = address(dsn, deadline)
        self._deadline = deadline
        self._sql = directory() if sql is None else sql
        self._statements = load(self._sql)
        self._pool = Pool(self._connect, size)
        self._ears: list[Listening] = []

    @property
    def where(self) -> str:
        """The server's name for people and logs, without secrets."""
        return self._address.name

    def transaction(self, *, read_only: bool = False, deadline: float | None = None) -> Transaction:
        """
        A transaction, for C{async with}: commits at its end, rolls back on an error.

        @param read_only: for several reads; costs no round trip of its own.
        @param deadline: seconds, where the usual ones don't do (migrations).
        @raise DatabaseUnavailable: no connection, a lost connection, or no answer within the deadline.
        """
        return Transaction(
            self._reactor,
            self._pool,
            self._statements,
            where=self.where,
            deadline=self._deadline if deadline is None else deadline,
            read_only=read_only,
        )

    async def fetch(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """The rows of a single statement that reads, in one round trip."""
        async with self.transaction(read_only=True) as tx:
            return await tx.fetch(statement, **values)

    async def fetch_one(self, statement: str, **values: Any) -> dict[str, Any] | None:
        """The first row of a single statement that reads, or C{None}, in one round trip."""
        async with self.transaction(read_only=True) as tx:
            return await tx.fetch_one(statement, **values)

    async def listen(self, channel: str, heard: Callable[[str], None]) -> None:
        """
        Call C{heard} with each payload sent to a channel, until the service stops.

        After each (re)connection it is called with C{""}: something may have been missed. Returns once listening, or,
        when the server isn't there, at once; it is then tried again for ever.
        """
        ear = Listening(self._reactor, self._connect, channel, heard, self._deadline)
        self._ears.append(ear)
        ear.start()
        await ear.first

    def stopService(self) -> Deferred[Any]:
        """Let transactions end, within their deadline, then close all connections."""
        super().stopService()  # type: ignore[no-untyped-call]
        return ensureDeferred(self._stop())

    async def _stop(self) -> None:
        for ear in self._ears:
            ear.stop()
        late = self._reactor.callLater(self._deadline, self._pool.abort)
        await self._pool.close()
        if late.active():
            late.cancel()

    def _connect(self) -> Deferred[Connection]:
        """Open a connection, within the deadline. May be cancelled."""
        connection, opening = self._address.connect(self._reactor)
        late = False

        def give_up() -> None:
            nonlocal late
            late = True
            connection.close()

        timer = self._reactor.callLater(self._deadline, give_up)

        def tried(result: Any) -> Any:
            if timer.active():
                timer.cancel()
            if not isinstance(result, Failure):
                return connection
            connection.close()
            assert result.value is not None
            why = f"no answer within {self._deadline:g} seconds." if late else first_line(result.value)
            raise DatabaseUnavailable(f"Can't connect to PostgreSQL at {self.where}: {why}")

        def give_up_waiting(waiting: Deferred[Connection]) -> None:
            waiting.errback(CancelledError())
            connection.close()

        waiting: Deferred[Connection] = Deferred(give_up_waiting)
        opening.addBoth(tried).addBoth(lambda result: None if waiting.called else waiting.callback(result))
        return waiting
