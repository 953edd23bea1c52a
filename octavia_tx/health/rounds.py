"""A job that is done again and again, never twice at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

# Seconds until a job that failed in an unforeseen way is tried again.
_AFTER_FAILURE: Final = 5.0


class Rounds:
    """One round of the job for any number of wishes; a wish made during a round is for another one after it."""

    log = Logger()

    def __init__(self, clock: IReactorTime, job: Callable[[], Awaitable[None]]) -> None:
        self._clock = clock
        self._job = job
        self._timer: IDelayedCall | None = None
        self._round: Deferred[None] | None = None
        self._under_way = False
        self._wish: float | None = None
        self._stopped = False

    def within(self, seconds: float) -> None:
        """See to it that a round begins in that many seconds, or sooner. After L{stop}: never."""
        if self._stopped:
            return
        when = self._clock.seconds() + seconds
        if self._wish is not None and self._wish <= when:
            return
        self._wish = when
        if not self._under_way:
            self._wait()

    async def stop(self) -> None:
        """Begin no further round; returns when the present one has ended."""
        self._stopped = True
        self._wish = None
        self._wait()
        if self._round is not None:
            await self._round

    def _wait(self) -> None:
        """Let the timer go off when wished."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._wish is not None:
            self._timer = self._clock.callLater(max(0.0, self._wish - self._clock.seconds()), self._begin)

    def _begin(self) -> None:
        self._timer = self._wish = None
        self._under_way = True
        self._round = Deferred.fromCoroutine(self._do())

    async def _do(self) -> None:
        try:
            await self._job()
        except Exception:  # noqa: BLE001  the boundary: whatever it is, the next round is due all the same
            self.log.failure("A round failed in an unforeseen way")
            self.within(_AFTER_FAILURE)
        self._under_way = False
        self._wait()
