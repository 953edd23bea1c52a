"""
One connection to PostgreSQL, over txpostgres.

Two ways of txpostgres aren't ours. It cancels a query through a blocking call and leaves the connection waiting, so a
query here is never cancelled: it ends, or its connection does. And it takes a server's time-out for a cancellation.
"""

from __future__ import annotations

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
    def _handleCancellation(self, failure: Failure) -> Failure:
        """A statement time-out is the server's word, not a caller's cancellation."""
        return failure


class Connection(txpostgres.Connection):  # type: ignore[misc]
    """
    A connection that notices at once when its server goes.

    @ivar lost: called once, when the connection ends while no query runs, or is closed.
    @ivar notified: called with each notification's channel and payload. It must not raise.
    """

    cursorFactory = _Cursor
    lost: Callable[[Connection], None] | None = None
    notified: Callable[[str, str], None] | None = None

    @property
    def usable(self) -> bool:
        """Whether it is open."""
        return self._connection is not None and not self._connection.closed

    def perform(self, query: str, values: Mapping[str, Any] | None) -> Deferred[Any]:
        """Run one query (or several, of which the last answers). The cursor holds what came back."""
        return self.cursor().execute(query, values)  # type: ignore[no-any-return]

    def spelled(self, query: str, values: Mapping[str, Any]) -> str:
        """A query with its values in it, quoted."""
        text: bytes = self._connection.cursor().mogrify(query, values)
        return text.decode()

    def doRead(self) -> None:
        """Take what the server sends while no query runs: notifications, or its farewell."""
        try:
            super().doRead()
        except (psycopg2.Error, ValueError):  # the latter: libpq has given its socket up, and none is left to wait for
            self.close()

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
