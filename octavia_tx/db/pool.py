"""
A few connections, shared: lent to one transaction at a time, replaced when they break.

Connections are opened when someone waits for one, not before, and apart from who waits: a waiter that gives up leaves
the connection to the next. A connection that broke never comes back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from octavia_tx.db.connection import Connection
from octavia_tx.errors import DatabaseUnavailable


class Pool:
    """
    At most C{size} connections.

    @param connect: opens a further one; the Deferred fails when there's no answer in time.
    """

    def __init__(self, connect: Callable[[], Deferred[Connection]], size: int) -> None:
        self._connect = connect
        self._size = size
        self._idle: list[Connection] = []
        self._live: set[Connection] = set()
        self._opening = 0
        self._waiting: deque[Deferred[Connection]] = deque()
        self._closed = False

    def acquire(self) -> Deferred[Connection]:
        """A connection for one transaction. Give it back with L{release}. May be cancelled."""
        if self._closed:
            raise DatabaseUnavailable("The database is closed: this process is on its way out.")
        while self._idle:
            connection = self._idle.pop()
            if connection.usable:
                return succeed(connection)
        waiter: Deferred[Connection] = Deferred(self._waiting.remove)
        self._waiting.append(waiter)
        self._open_more()
        return waiter

    def release(self, connection: Connection) -> None:
        """Take a connection back. A closed one is forgotten, and replaced if someone waits."""
        if not connection.usable:
            self._live.discard(connection)
            self._open_more()
        elif self._closed:
            connection.close()
        elif self._waiting:
            self._waiting.popleft().callback(connection)
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """End the idle ones, refuse whoever waits; those that are lent end when they come back."""
        self._closed = True
        idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()
        self._refuse(Failure(DatabaseUnavailable("The database is closed: this process is on its way out.")))

    def abort(self) -> None:
        """End all of them, lent ones too."""
        for connection in tuple(self._live):
            connection.close()

    def _open_more(self) -> None:
        while self._opening < len(self._waiting) and len(self._live) + self._opening < self._size and not self._closed:
            self._opening += 1
            self._connect().addCallbacks(self._opened, self._failed)

    def _opened(self, connection: Connection) -> None:
        self._opening -= 1
        self._live.add(connection)
        connection.lost = self._lost
        self.release(connection)

    def _failed(self, reason: Failure) -> None:
        self._opening -= 1
        # While some connections work, whoever waits gets one of those sooner than an error helps.
        if not self._live:
            self._refuse(reason)

    def _refuse(self, reason: Failure) -> None:
        waiting, self._waiting = self._waiting, deque()
        for waiter in waiting:
            waiter.errback(reason)

    def _lost(self, connection: Connection) -> None:
        self._live.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
