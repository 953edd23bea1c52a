"""The work of one target: to send what it hasn't, again after each failure, without keeping others waiting."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

FIRST_DELAY: Final = 1.0  # seconds after a failure; each further one is twice as long, give or take a half
LAST_DELAY: Final = 60.0


class Undelivered(Exception):
    """
    It couldn't be sent, and why.

    @ivar denied: whether we aren't let in.
    """

    def __init__(self, reason: str, *, denied: bool = False) -> None:
        super().__init__(reason)
        self.denied = denied


class Sender(Protocol):
    """How one target is sent to."""

    async def send(self) -> bool:
        """
        Send the next piece, and go on to the one after. There's none now: C{False}.

        @raise Undelivered: it isn't there; it will be sent again.
        """

    def close(self) -> None:
        """Keep no connection."""


class Shipper:
    """
    Works from L{start} to L{stop}.

    @param what: of whose log to where, for our own log.
    @param denied: called when the target doesn't let us in.
    @param random: gives numbers from 0 to 1.
    @ivar problem: why it doesn't go on, as a sentence; C{None} while it does.
    """

    log = Logger()

    def __init__(
        self, reactor: Any, what: str, sender: Sender, denied: Callable[[], None], random: Callable[[], float]
    ) -> None:
        self.problem: str | None = None
        self._reactor = reactor
        self._what = what
        self._sender = sender
        self._denied = denied
        self._random = random
        self._delay = FIRST_DELAY
        self._work: Deferred[None] | None = None
        self._wait: Deferred[None] | None = None
        self._news = False
        self._idle = False  # it waits for news, and not until it may try again
        self._running = False

    def start(self) -> None:
        """Begin, or go on."""
        if self._work is None:
            self._running = True
            self._work = Deferred.fromCoroutine(self._run())
            self._work.addErrback(lambda failure: failure.trap(CancelledError) and None)
            self._work.addErrback(lambda failure: self.log.failure("sending {what} ended", failure, what=self._what))

    async def stop(self) -> None:
        """Leave off. What isn't known to be there will be sent again by the next one."""
        self._running = False
        work, self._work = self._work, None
        if work is not None:
            work.cancel()
            await work
        self._sender.close()

    def wake(self) -> None:
        """There may be something to send."""
        self._news = True
        if self._idle:
            self._go_on()

    def hasten(self) -> None:
        """Try again now, and soon after: there's not much time."""
        self._delay = FIRST_DELAY
        self._go_on()

    async def _run(self) -> None:
        # A connection that is cancelled may look like one that failed.
        while self._running:
            self._news = False
            try:
                sent = await self._send()
            except Undelivered as e:
                if not self._running:
                    return
                self._failed(e)
                await self._pause(self._delay * (0.5 + self._random()))
                self._delay = min(LAST_DELAY, self._delay * 2)
                continue
            if sent:
                self._succeeded()
            elif not self._news:
                await self._pause(None)

    async def _send(self) -> bool:
        try:
            return await self._sender.send()
        except (Undelivered, CancelledError):
            raise
        except Exception as e:  # noqa: BLE001 - a boundary: whatever is wrong now, it must be tried again
            self.log.failure("sending {what}", what=self._what)
            raise Undelivered(f"{type(e).__name__}: {e}") from e

    def _failed(self, error: Undelivered) -> None:
        reason = str(error)
        if reason != self.problem:
            tell = self.log.error if error.denied else self.log.warn
            tell("{what} waits: {reason}", what=self._what, reason=reason)
        self.problem = reason
        if error.denied:
            self._denied()

    def _succeeded(self) -> None:
        if self.problem is not None:
            self.log.info("{what} goes on", what=self._what)
        self.problem = None
        self._delay = FIRST_DELAY

    async def _pause(self, seconds: float | None) -> None:
        wait: Deferred[None] = Deferred()
        self._wait = wait
        self._idle = seconds is None
        timer = None if seconds is None else self._reactor.callLater(seconds, self._go_on)
        try:
            await wait
        finally:
            self._wait = None
            self._idle = False
            if timer is not None and timer.active():
                timer.cancel()

    def _go_on(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None:
            wait.callback(None)
