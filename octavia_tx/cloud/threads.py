"""The one way to libraries that block: a few threads of their own, so that none of them holds up another's."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
from typing import Any, Final, ParamSpec, TypeVar

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

PATIENCE: Final = 15.0
"""Seconds for calls under way to end when no more are taken."""
_P = ParamSpec("_P")
_T = TypeVar("_T")


class _Thread(Thread):
    """One that hangs isn't waited for at the process's end."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, daemon=True, **kwargs)


class _Pool(ThreadPool):
    threadFactory = _Thread


class Threads(Service):
    """
    At most C{size} threads, begun when they are needed; further calls wait for one, first come, first served.

    @param reactor: hears of what the threads have done.
    @param size: how many calls may run at once.
    @param name: what the threads are called, for who looks at the process.
    """

    log = Logger()

    def __init__(self, reactor: Any, size: int, name: str) -> None:
        self._reactor = reactor
        self._size = size
        self._name = name
        self._pool: ThreadPool | None = None
        self._outstanding = 0
        self._drained: Deferred[None] | None = None

    def startService(self) -> None:
        """Take calls."""
        super().startService()  # type: ignore[no-untyped-call]
        self._pool = _Pool(0, self._size, self._name)
        self._pool.start()
        self._drained = None

    def stopService(self) -> Deferred[None]:
        """
        Take no more calls; fires when those that were taken are done and the threads have ended, or have had their
        time: a thread can't be stopped, and such a one ends with the process.
        """
        super().stopService()  # type: ignore[no-untyped-call]
        if self._drained is None:
            self._drained = Deferred()
            patience = self._reactor.callLater(PATIENCE, self._give_up)
            self._drained.addCallback(self._end)
            self._drained.addBoth(lambda _: patience.active() and patience.cancel())
            self._check_drained()
        return self._drained

    def _give_up(self) -> None:
        if self._drained is not None and not self._drained.called:
            self.log.error("{count} calls of {name} don't end; left behind", count=self._outstanding, name=self._name)
            self._drained.callback(None)

    def call(self, function: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> Deferred[_T]:
        """
        What the function gives, called in one of the threads.

        May be cancelled: it is then never called if its turn hadn't come; one that runs can't be stopped, and what
        becomes of it is nobody's any more. So it must end by itself, within a time-out of its own.
        """
        if self._pool is None or self._drained is not None:
            return fail(RuntimeError(f"The threads {self._name} don't run."))
        answer: Deferred[_T] = Deferred()

        def run() -> _T:
            if answer.called:
                raise CancelledError
            return function(*args, **kwargs)

        def ran(success: bool, result: _T | Failure) -> None:
            self._reactor.callFromThread(self._finished, answer, success, result)

        self._outstanding += 1
        self._pool.callInThreadWithCallback(ran, run)
        return answer

    def _finished(self, answer: Deferred[Any], success: bool, result: Any) -> None:
        self._outstanding -= 1
        if not answer.called:
            (answer.callback if success else answer.errback)(result)
        self._check_drained()

    def _check_drained(self) -> None:
        if self._drained is not None and not self._drained.called and not self._outstanding:
            self._drained.callback(None)

    def _end(self, _result: None) -> None:
        """Where none of the threads has work, waiting for their ends takes no time."""
        pool, self._pool = self._pool, None
        if pool is not None and not self._outstanding:
            pool.stop()
