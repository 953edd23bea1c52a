"""Hold a lease while something is done under it, and stop doing it when the lease is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from octavia_tx.errors import DatabaseUnavailable, LeaseLost

_log = Logger()


class Hold:
    """
    One lease's renewal, at a third of its time.

    The lease is lost when a renewal says so, or when none was possible for its whole time: then another controller may
    have it already, and we can't know.

    @param renew: renews the lease; C{False} when it isn't ours any more. May raise L{DatabaseUnavailable}.
    @param seconds: for which the lease was taken, and for which each renewal takes it.
    """

    def __init__(self, clock: IReactorTime, renew: Callable[[], Awaitable[bool]], seconds: float) -> None:
        self._clock = clock
        self._renew = renew
        self._seconds = seconds
        self._lost = False
        self._done = False
        self._sleep: Deferred[None] | None = None

    async def during(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        """
        Do it, as long as the lease is held.

        @raise LeaseLost: it was lost; the work was cancelled.
        """
        doing = Deferred.fromCoroutine(work)
        expiry = self._clock.callLater(self._seconds, self._lose, doing)
        keeping = Deferred.fromCoroutine(self._keep(doing, expiry))
        try:
            await doing
        except CancelledError:
            if self._lost:
                raise LeaseLost("The lease was lost while its work was under way.") from None
            raise
        finally:
            self._done = True
            if expiry.active():
                expiry.cancel()
            if self._sleep is not None:
                self._sleep.cancel()
            await keeping  # a renewal under way is let finish

    async def _keep(self, doing: Deferred[None], expiry: Any) -> None:
        wait = self._seconds / 3
        while not self._done:
            self._sleep = deferLater(self._clock, wait)
            try:
                await self._sleep
            except CancelledError:
                return
            finally:
                self._sleep = None
            asked = self._clock.seconds()
            try:
                held = await self._renew()
            except DatabaseUnavailable as error:
                _log.warn("A lease can't be renewed: {error}", error=str(error))
                wait = self._seconds / 10  # what's left of it must do for more than one try
                continue
            if not held:
                self._lose(doing)
                return
            wait = self._seconds / 3
            if expiry.active():
                expiry.reset(max(0.0, asked + self._seconds - self._clock.seconds()))

    def _lose(self, doing: Deferred[None]) -> None:
        if not self._done:
            self._lost = True
            doing.cancel()
