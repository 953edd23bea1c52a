"""
The system's parts, opened and closed together.

A daemon is one coroutine that opens its parts in order, each of which puts its closing onto a stack. L{Resources} runs
that coroutine as a service: parts close in the reverse order, also those that were open when a later one failed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import TypeVar

from twisted.application.service import IService, Service
from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

Opening = Callable[[AsyncExitStack], Awaitable[None]]
_Service = TypeVar("_Service", bound=IService)


class Resources(Service):
    """@param broken: called with the failure, when a part can't be opened; what was open is closed again by then."""

    log = Logger()

    def __init__(self, opening: Opening, broken: Callable[[Failure], None]) -> None:
        self._open = opening
        self._broken = broken
        self._stack = AsyncExitStack()
        self._opened: Deferred[None] | None = None

    def startService(self) -> None:
        """Begin to open the parts; the reactor goes on meanwhile."""
        super().startService()  # type: ignore[no-untyped-call]
        self._opened = Deferred.fromCoroutine(self._opening())

    async def _opening(self) -> None:
        try:
            await self._open(self._stack)
        except CancelledError:
            return  # stopService closes what is open
        except Exception:  # noqa: BLE001  the boundary: whatever it is, the daemon says it and ends
            failure = Failure()
            await self._stack.aclose()
            self._broken(failure)

    def stopService(self) -> Deferred[None]:
        """Close what is open, in the reverse order; fires when all is closed."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._closing())

    async def _closing(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.cancel()
            await opened
        await self._stack.aclose()


async def entered(stack: AsyncExitStack, service: _Service) -> _Service:
    """Start a service, wait until it runs, and stop it when the stack is closed."""

    async def stop() -> None:
        await maybeDeferred(service.stopService)

    stack.push_async_callback(stop)
    await maybeDeferred(service.startService)
    return service
