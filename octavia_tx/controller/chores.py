"""What a controller does each so often, whether or not anything happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from octavia_tx.errors import OctaviaError

_log = Logger()

Chore = Callable[[], Awaitable[None]]


class Chores(Service):
    """
    Does chores at its start and each so often. One that fails is put off until the next time.

    @param what: they are, for the log.
    @param pause: seconds until the next time, asked each time.
    """

    def __init__(self, clock: IReactorTime, what: str, chores: tuple[Chore, ...], pause: Callable[[], float]) -> None:
        self._clock = clock
        self._what = what
        self._chores = chores
        self._pause = pause
        self._working: Deferred[None] | None = None

    def startService(self) -> None:
        """Do them now, and from now on."""
        super().startService()  # type: ignore[no-untyped-call]
        self._working = Deferred.fromCoroutine(self._always())

    def stopService(self) -> Deferred[None] | None:
        """Do them no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        working, self._working = self._working, None
        if working is not None:
            working.addErrback(lambda failure: failure.trap(CancelledError))
            working.cancel()
        return working

    async def _always(self) -> None:
        while True:
            for chore in self._chores:
                await self._done(chore)
            await deferLater(self._clock, self._pause())

    async def _done(self, chore: Chore) -> None:
        try:
            await chore()
        except CancelledError:
            raise
        except OctaviaError as error:
            _log.warn("{what} is put off: {error}", what=self._what, error=str(error))
        except Exception:  # noqa: BLE001 - a fault of a driver's must not end it
            _log.failure("{what} is put off: unexpected failure", what=self._what)
