"""What a worker of the API has of the process that started it, and how the two hear of each other's ends."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from attrs import frozen
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from octavia_tx.listening import Listen
from octavia_tx.tap.site import QuietSite
from octavia_tx.tap.turns import Turns, take_turns

VARIABLE = "OCTAVIA_API_WORKER"
"""In a worker's environment: which of how many it is, C{0/2}."""

# Descriptors of a worker.
LIFE = 0  # to read; ends when the parent does, or wants the worker to end
SOCKET = 3  # listens
STATUS = 4  # to write: READY, or why it can't start
TURNS = 5  # see octavia_tx.tap.turns

READY = b"ready\n"

# Seconds to wait for a signal before ending with the parent. A terminal and systemd send it to all processes at once,
# and a reactor doesn't like to be stopped twice.
SIGNALS = 0.1


@frozen
class Inheritance:
    """
    A worker's.

    @ivar slot: which of the workers it is, from 0.
    @ivar count: of workers.
    """

    slot: int
    count: int

    @classmethod
    def find(cls, environ: Mapping[str, str]) -> Inheritance | None:
        """This process's, if it is a worker."""
        slot, separator, count = environ.get(VARIABLE, "").partition("/")
        return cls(int(slot), int(count)) if separator else None

    def environment(self) -> dict[str, str]:
        """By which it is found."""
        return {VARIABLE: f"{self.slot}/{self.count}"}

    def listen(self, reactor: Any, where: Listen, site: QuietSite) -> Any:
        """Serve a site on the socket that all workers share."""
        turns = Turns(TURNS, self.count)
        site.counted = lambda connections: turns.tell(self.slot, connections)
        site.counted(0)
        port = reactor.adoptStreamPort(SOCKET, where.family, site)
        os.close(SOCKET)  # the port has one of its own
        take_turns(port, reactor, turns, self.slot)
        return port

    def ready(self) -> None:
        """Tell the parent that requests are served."""
        os.write(STATUS, READY)

    def failed(self, sentence: str) -> None:
        """Tell the parent why they can't be."""
        os.write(STATUS, sentence.encode())

    def end_with_parent(self, reactor: Any) -> None:
        """End this process, in order, as soon as the parent is gone or wishes it."""
        life = Life(LIFE, reactor)
        reactor.addReader(life)
        reactor.addSystemEventTrigger("before", "shutdown", life.close)


@implementer(IReadDescriptor)
class Life:
    """The reading end of a pipe into which nobody writes: that it ends is all that it says."""

    def __init__(self, descriptor: int, reactor: Any) -> None:
        self._descriptor = descriptor
        self._reactor = reactor
        self._stop: Any = None

    def fileno(self) -> int:
        """See L{IReadDescriptor}, as for all of these."""
        return self._descriptor

    def doRead(self) -> None:
        """It has ended, as some reactors tell it."""
        self._end()

    def connectionLost(self, reason: Failure) -> None:
        """It has ended, as others do."""
        if reason.check(ConnectionDone):
            self._end()

    def _end(self) -> None:
        if self._stop is None:
            self._reactor.removeReader(self)
            self._stop = self._reactor.callLater(SIGNALS, self._reactor.stop)

    def close(self) -> None:
        """The process ends already."""
        self._reactor.removeReader(self)
        if self._stop is not None and self._stop.active():
            self._stop.cancel()

    def logPrefix(self) -> str:
        """What the reactor calls it."""
        return "parent"
