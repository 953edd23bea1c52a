"""Hearing NOTIFY, on a connection of its own that is opened again whenever it is lost."""

from __future__ import annotations

import re
from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from octavia_tx.db.connection import Connection
from octavia_tx.db.failures import DRIVER_ERRORS, first_line
from octavia_tx.errors import DatabaseUnavailable
from octavia_tx.shielding import shielded

log = Logger()


class Listening:
    """
    One channel's ear.

    @ivar first: fires after the first attempt, successful or not.
    """

    RETRY = 0.5
    """Seconds between attempts to connect."""
    PING = 10.0
    """Seconds of silence after which the server is asked whether it still lives."""

    def __init__(
        self,
        clock: IReactorTime,
        connect: Callable[[], Deferred[Connection]],
        channel: str,
        heard: Callable[[str], None],
        deadline: float,
    ) -> None:
        if not re.fullmatch(r"[a-z_]+", channel):
            raise ValueError(f"Not a channel's name: {channel!r}.")
        self._clock = clock
        self._connect = connect
        self._channel = channel
        self._heard = heard
        self._deadline = deadline
        self._connection: Connection | None = None
        self.first: Deferred[None] = Deferred()
        self._loop: Deferred[None] | None = None
        self._stopped = False

    def start(self) -> None:
        """Listen from now on."""
        self._loop = Deferred.fromCoroutine(self._listen_always())
        self._loop.addErrback(lambda failure: failure.trap(CancelledError))
        self._loop.addErrback(
            lambda failure: log.failure("Listening on {channel} ended", failure, channel=self._channel)
        )

    def stop(self) -> None:
        """Hear nothing from now on. May be called by who is being told something."""
        self._stopped = True
        if self._connection is not None:
            self._connection.close()
        if self._loop is not None:
            self._loop.cancel()
        self._tried()

    async def _listen_always(self) -> None:
        while not self._stopped:
            try:
                await self._listen_once()
            except DatabaseUnavailable as error:
                if self._stopped:
                    break
                log.warn("Not hearing {channel}: {error}", channel=self._channel, error=str(error))
            self._tried()
            await self._sleep(self.RETRY)

    def _tried(self) -> None:
        if not self.first.called:
            self.first.callback(None)

    async def _listen_once(self) -> None:
        """Connect, listen, and return or raise when that connection ends."""
        connection = self._connection = await self._connect()
        lost: Deferred[None] = Deferred()
        connection.lost = lambda _: lost.callback(None)
        connection.notified = lambda channel, payload: self._tell(payload)
        try:
            await self._ask(connection, f"LISTEN {self._channel}")
            self._tell("")
            self._tried()
            while connection.usable:
                await self._sleep(self.PING, until=lost)
                if connection.usable:
                    await self._ask(connection, "SELECT 1")
        finally:
            connection.close()
        raise DatabaseUnavailable("the connection was lost.")

    async def _ask(self, connection: Connection, query: str) -> None:
        """Run a query; silence ends the connection."""
        timer = self._clock.callLater(self._deadline, connection.close)
        try:
            await shielded(connection.perform(query, None))
        except DRIVER_ERRORS as error:
            raise DatabaseUnavailable(f"the connection was lost: {first_line(error)}") from error
        finally:
            if timer.active():
                timer.cancel()

    async def _sleep(self, seconds: float, until: Deferred[None] | None = None) -> None:
        pause: Deferred[None] = Deferred()

        def wake(_: None) -> None:
            if not pause.called:
                pause.callback(None)

        timer = self._clock.callLater(seconds, pause.callback, None)
        if until is not None:
            until.addCallback(wake)
        try:
            await pause
        finally:
            if timer.active():
                timer.cancel()

    def _tell(self, payload: str) -> None:
        """The boundary to whoever listens: an error of theirs is logged, and listening goes on."""
        told = maybeDeferred(self._heard, payload)
        told.addErrback(lambda failure: log.failure("A listener to {channel} failed", failure, channel=self._channel))
