"""
One connection to PostgreSQL, over txpostgres.

Three ways of txpostgres aren't ours. It cancels a query through a blocking call and leaves the connection waiting, so a
query here is never cancelled: it ends, or its connection does. It takes a server's time-out for a cancellation. And it
hands the socket from the connection to each query and back, four system calls a query: here the connection keeps it,
and tells the query under way that there's something to read or room to write. It has a descriptor of its own for that,
as libpq closes its one when the server is gone, and the reactor wants to be told before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

import orjson
import psycopg2
from attrs import field, frozen
from psycopg2 import extensions, extras
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFDSet
from twisted.python.failure import Failure
from txpostgres import txpostgres

from octavia_tx.errors import SettingsError

_UUIDS = extensions.new_array_type((2951,), "UUID[]", extensions.new_type((2950,), "UUID", psycopg2.STRING))
_INETS = extensions.new_array_type((1041,), "INET[]", extensions.new_type((869,), "INET", psycopg2.STRING))


class _Cursor(txpostgres.Cursor):  # type: ignore[misc]
    _pollingD: Deferred[Any] | None

    def _handleCancellation(self, failure: Failure) -> Failure:
        """A statement time-out is the server's word, not a caller's cancellation."""
        return failure

    def continuePolling(self, swallowErrors: bool = False) -> None:
        """Go on with the query; tell its outcome once it has ended, as the last thing done here."""
        try:
            state = self.pollable().poll()
        except (psycopg2.Error, ValueError):  # the latter: libpq has given its socket up, and none is left to wait for
            self._end(Failure())
            return
        if state == extensions.POLL_OK:
            self._end(self)
        elif state == extensions.POLL_WRITE:
            self.reactor.addWriter(self._connection)

    def _end(self, outcome: Any) -> None:
        waiting, self._pollingD = self._pollingD, None
        if waiting is not None:
            waiting.callback(outcome)


class Connection(txpostgres.Connection):  # type: ignore[misc]
    """
    A connection that notices at once when its server goes.

    @ivar lost: called once, when the connection ends while no query runs, or is closed.
    @ivar notified: called with each notification's channel and payload. It must not raise.
    """

    cursorFactory = _Cursor
    lost: Callable[[Connection], None] | None = None
    notified: Callable[[str, str], None] | None = None
    _socket: int | None = None

    @property
    def usable(self) -> bool:
        """Whether it is open."""
        return self._connection is not None and not self._connection.closed

    def connect(self, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Open it."""
        opening: Deferred[Any] = super().connect(*args, **kwargs)
        return opening.addCallback(self._keep_socket)

    def _keep_socket(self, result: Any) -> Any:
        self.reactor.removeReader(self)
        self._socket = os.dup(self._connection.fileno())
        self.reactor.addReader(self)
        return result

    def fileno(self) -> int:
        """What the reactor watches."""
        return super().fileno() if self._socket is None else self._socket

    def perform(self, query: str, values: Mapping[str, Any] | None) -> Deferred[Any]:
        """Run one query (or several, of which the last answers). The cursor holds what came back."""
        return self.cursor().execute(query, values)  # type: ignore[no-any-return]

    def spelled(self, query: str, values: Mapping[str, Any]) -> str:
        """A query with its values in it, quoted."""
        text: bytes = self._connection.cursor().mogrify(query, values)
        return text.decode()

    def cursorRunning(self, cursor: _Cursor) -> None:
        """A query begins."""
        self._cursors.add(cursor)

    def cursorFinished(self, cursor: _Cursor) -> None:
        """A query has ended. What was notified meanwhile is passed on."""
        self._cursors.discard(cursor)
        if self.usable:
            self.checkForNotifies()

    def doRead(self) -> None:
        """Take what the server sends: a query's answer or, while none runs, notifications or its farewell."""
        if self._cursors:
            self._go_on()
            return
        try:
            super().doRead()
        except (psycopg2.Error, ValueError):  # as above
            self.close()

    def doWrite(self) -> None:
        """There's room for more of what the server is sent."""
        if self._cursors:
            self.reactor.removeWriter(self)
            self._go_on()
        else:
            super().doWrite()

    def connectionLost(self, reason: Failure) -> None:
        """The reactor has noticed first."""
        if self._cursors and self.usable:
            self._go_on()
        else:
            super().connectionLost(reason)

    def _go_on(self) -> None:
        (running,) = self._cursors
        running.continuePolling()

    def checkForNotifies(self) -> None:
        """Pass on what was notified, at once."""
        notifies = self._connection.notifies
        while notifies:
            notification = notifies.pop(0)
            if self.notified is not None:
                self.notified(notification.channel, notification.payload)

    def close(self) -> None:
        """End it now, without a word that could block. Whoever waits for a query gets an error."""
        if self._connection is not None:
            super().close()
        socket, self._socket = self._socket, None
        if socket is not None:
            os.close(socket)
        lost, self.lost = self.lost, None
        if lost is not None:
            lost(self)


@frozen
class Address:
    """
    Where the server is and how to speak with it.

    @ivar name: for people and logs: no password in it.
    """

    options: dict[str, Any] = field(repr=False)
    name: str

    def connect(self, reactor: IReactorFDSet) -> tuple[Connection, Deferred[Any]]:
        """A connection that is being opened, and when it is."""
        connection = Connection(reactor)
        opening: Deferred[Any] = connection.connect(**self.options)

        def ready(result: Any) -> Any:
            extensions.register_type(_UUIDS, connection._connection)
            extensions.register_type(_INETS, connection._connection)
            extras.register_default_jsonb(connection._connection, loads=orjson.loads)
            return result

        return connection, opening.addCallback(ready)


def address(dsn: str, deadline: float) -> Address:
    """
    Read a connection string.

    @param deadline: seconds after which the server itself shall give up a statement.
    @raise SettingsError: it isn't one; the sentence doesn't repeat it, for it may hold a password.
    """
    try:
        options = dict(extensions.parse_dsn(dsn))
    except psycopg2.ProgrammingError:
        raise SettingsError(("database.dsn isn't a PostgreSQL connection string.",)) from None
    options.setdefault("application_name", "octavia-tx")
    options.setdefault("keepalives_idle", "10")
    options.setdefault("keepalives_interval", "5")
    options.setdefault("keepalives_count", "3")
    options["client_encoding"] = "UTF8"
    milliseconds = int(deadline * 1000)
    options["options"] = (
        f"{options.get('options', '')} -c timezone=UTC -c statement_timeout={max(1, milliseconds * 9 // 10)}"
        f" -c idle_in_transaction_session_timeout={milliseconds * 2}"
    ).strip()
    host = options.get("host") or options.get("hostaddr") or "the local socket"
    port = f":{options['port']}" if "port" in options and not host.startswith("/") else ""
    return Address(options=options, name=f"{host}{port}/{options.get('dbname', options.get('user', ''))}")
