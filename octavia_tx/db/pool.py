"""
A few connections, shared: lent to one transaction at a time, replaced when they break.

Connections are opened when someone waits for one, not before, and apart from who waits: a waiter that gives up leaves
the connection to the next. A connection that broke never comes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from twisted.internet.defer import Deferred, fail, succeed
from twisted.python.failure import Failure

from octavia_tx.db.connection import Connection
from octavia_tx.errors import DatabaseUnavailable

CLOSED = "The database is closed: this process is on its way out."


class Pool:
    """
    At most C{size} connections.

    @param connect: opens a further one; the Deferred fails when there's no answer in time.
    """

    def __init__(self, connect: Callable[[], Deferred[Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._idle: list[Connection] = []
        self._lent: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[Deferred[Connection]] = deque()
        self._closing: Deferred[None] | None = None

    def acquire(self) -> Deferred[Connection]:
        """
        A connection for one transaction. Give it back with L{release}. May be cancelled.

        @raise DatabaseUnavailable: (the Deferred) none could be opened, or the pool is closed.
        """
        if self._closing is not None:
            return fail(DatabaseUnavailable(CLOSED))
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return succeed(self._lend(connection))
        waiter: Deferred[Connection] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        self._open_more()
        return waiter

    def release(self, connection: Connection) -> None:
        """Take a connection back. A broken one is forgotten, and replaced if someone waits."""
        self._lent.discard(connection)
        self._put(connection)

    def close(self) -> Deferred[None]:
        """End the idle connections and refuse whoever waits. Fires when those that are lent have come back."""
        if self._closing is None:
            self._closing = Deferred()
            idle, self._idle = self._idle, []
            for connection in idle:
                connection.close()
            self._refuse(Failure(DatabaseUnavailable(CLOSED)), tuple(self._waiting))
            self._check_closed()
        return self._closing

    def abort(self) -> None:
        """End the lent ones too, whatever they do."""
        for connection in tuple(self._lent):
            connection.close()

    def _lend(self, connection: Connection) -> Connection:
        self._lent.add(connection)
        return connection

    def _put(self, connection: Connection) -> None:
        if not connection.usable or self._closing is not None:
            connection.close()
            self._open_more()
            self._check_closed()
        elif self._waiting:
            self._waiting.popleft().callback(self._lend(connection))
        else:
            self._idle.append(connection)

    def _check_closed(self) -> None:
        if self._closing is not None and not self._closing.called and not self._lent and not self._opening:
            self._closing.callback(None)

    def _open_more(self) -> None:
        # Counted beforehand: where nobody listens any more, attempts fail at once, and change nothing.
        for _ in range(min(len(self._waiting) - self._opening, self._size - self._living)):
            self._opening += 1
            self._connect().addCallbacks(self._opened, self._failed, errbackArgs=(tuple(self._waiting),))

    @property
    def _living(self) -> int:
        return len(self._idle) + len(self._lent) + self._opening

    def _opened(self, connection: Connection) -> None:
        self._opening -= 1
        connection.lost = self._lost
        self._put(connection)

    def _failed(self, reason: Failure, waiting: tuple[Deferred[Connection], ...]) -> None:
        """
        @param waiting: who waited when the attempt began. Those who came later get one of their own: what this one
            met, a server frozen long ago, may be over.
        """
        self._opening -= 1
        # While some connections work, whoever waits gets one of those sooner than an error helps.
        if not self._lent:
            self._refuse(reason, waiting)
            self._open_more()
        self._check_closed()

    def _refuse(self, reason: Failure, waiting: Iterable[Deferred[Connection]]) -> None:
        for waiter in waiting:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
                waiter.errback(reason)

    def _lost(self, connection: Connection) -> None:
        """An idle one broke; a lent one's borrower notices by itself."""
        if connection in self._idle:
            self._idle.remove(connection)
