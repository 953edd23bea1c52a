"""Changes made one after another, each to its end even when the one who asked for it is gone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger
from twisted.python.failure import Failure

T = TypeVar("T")


class Turns:
    """
    Whose turn it is to change something.

    @param what: is changed, for the log.
    """

    log = Logger()

    def __init__(self, what: str) -> None:
        self._what = what
        self._lock = DeferredLock()

    def take(self, change: Callable[[], Awaitable[T]]) -> Deferred[T]:
        """Make a change when those before are made."""
        done: Deferred[T] = Deferred()

        async def change_it() -> T:
            return await change()

        work: Deferred[T] = self._lock.run(lambda: Deferred.fromCoroutine(change_it()))

        def tell(result: Any) -> None:
            if not done.called:
                done.callback(result)
            elif isinstance(result, Failure):
                self.log.failure("a change of {what} that nobody waits for", result, what=self._what)

        # Whoever waits may go; the change is made to its end.
        work.addBoth(tell)
        return done
