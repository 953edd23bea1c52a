"""One change at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")


class Turns:
    """
    Has changes made one after another, each to its end even when the one who asked for it is gone.

    @param name: of what is changed, for the log.
    """

    log = Logger()

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = DeferredLock()

    def take(self, change: Callable[[], Awaitable[T]]) -> Deferred[T]:
        """Make a change when those before are made."""
        done: Deferred[T] = Deferred()
        work: Deferred[T] = self._lock.run(lambda: Deferred.fromCoroutine(_made(change)))

        def tell(result: Any) -> None:
            if not done.called:
                done.callback(result)
            elif isinstance(result, Failure):
                self.log.failure("a change of {name} that nobody waits for", result, name=self._name)

        # Whoever waits may go; the change is made to its end.
        work.addBoth(tell)
        return done


async def _made(change: Callable[[], Awaitable[T]]) -> T:
    return await change()
