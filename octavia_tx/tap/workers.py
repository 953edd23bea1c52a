"""
Several processes that serve the API on one socket, and the one that keeps them running.

The parent opens the socket and serves nothing itself. What it shares with its workers is in
L{octavia_tx.tap.inheritance}.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessExitedAlready
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.reflect import qual

from octavia_tx.cloud.restarts import Restarts
from octavia_tx.errors import SettingsError, WorkerFailed
from octavia_tx.listening import Listen
from octavia_tx.tap.inheritance import LIFE, READY, SOCKET, STATUS, TURNS, Inheritance
from octavia_tx.tap.site import DRAIN

GRACE = DRAIN + 10.0  # seconds that workers have for their end
BACKLOG = 1024  # connections that wait to be accepted

_log = Logger()


class Worker(ProcessProtocol):
    """
    One process.

    @ivar is_ready: it has said that it serves.
    """

    transport: Any

    def __init__(self, slot: int, ready: Callable[[Worker], None], ended: Callable[[Worker, Failure], None]) -> None:
        self.slot = slot
        self.is_ready = False
        self._said = b""
        self._ready, self._ended = ready, ended

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It says how it is."""
        self._said += data
        if self._said == READY and not self.is_ready:
            self.is_ready = True
            self._ready(self)

    def processEnded(self, reason: Failure) -> None:
        """It is gone."""
        self._ended(self, reason)

    def why(self, reason: Failure) -> str:
        """Why it couldn't start."""
        said = self._said.decode("utf-8", "replace")
        return said or f"a worker ended at its start; its log says why. {reason.getErrorMessage()}"

    def end(self) -> None:
        """Let it end in order."""
        if self.is_ready:
            self.transport.closeChildFD(LIFE)
        else:
            self.signal("TERM")

    def signal(self, name: str) -> None:
        """Send it a signal; one that is gone needs none."""
        try:
            self.transport.signalProcess(name)
        except ProcessExitedAlready:
            return


class Workers(Service):
    """
    Keeps so many running: one that ends is started again, less and less soon while it keeps ending early.

    @param spawn: starts a process for a worker.
    @param left: called with the slot of one that has ended.
    """

    def __init__(
        self, clock: IReactorTime, count: int, spawn: Callable[[Worker], None], left: Callable[[int], None]
    ) -> None:
        self._clock = clock
        self._count = count
        self._spawn = spawn
        self._left = left
        self._running: dict[int, Worker] = {}
        self._fates: dict[int, Restarts] = {}
        self._waiting: dict[int, Any] = {}
        self._starting: Deferred[None] = Deferred()
        self._ending: Deferred[None] | None = None

    def startService(self) -> Deferred[None]:
        """
        Start all; fires when all serve.

        @raise WorkerFailed: (the Deferred) one couldn't.
        """
        super().startService()  # type: ignore[no-untyped-call]
        for slot in range(self._count):
            self._start(slot)
        return self._starting

    def stopService(self) -> Deferred[None]:
        """End all in order, or, after L{GRACE} seconds, at once; fires when none is left."""
        super().stopService()  # type: ignore[no-untyped-call]
        for call in self._waiting.values():
            call.cancel()
        self._waiting.clear()
        if not self._running:
            return succeed(None)
        self._ending = Deferred()
        patience = self._clock.callLater(GRACE, self._kill)
        self._ending.addBoth(lambda _: patience.cancel() if patience.active() else None)
        for worker in tuple(self._running.values()):
            worker.end()
        return self._ending

    def hang_up(self) -> None:
        """Pass SIGHUP on. One that is starting needs none, and would die of it."""
        for worker in self._running.values():
            if worker.is_ready:
                worker.signal("HUP")

    def _start(self, slot: int) -> None:
        self._waiting.pop(slot, None)
        now = self._clock.seconds()
        self._fates[slot] = self._fates[slot].started(now) if slot in self._fates else Restarts(started_at=now)
        worker = self._running[slot] = Worker(slot, self._is_ready, self._has_ended)
        try:
            self._spawn(worker)
        except OSError:
            self._has_ended(worker, Failure())

    def _is_ready(self, worker: Worker) -> None:
        _log.info("worker {slot} serves, as process {pid}", slot=worker.slot, pid=worker.transport.pid)
        ready = sum(each.is_ready for each in self._running.values())
        if ready == self._count and not self._starting.called:
            self._starting.callback(None)

    def _has_ended(self, worker: Worker, reason: Failure) -> None:
        del self._running[worker.slot]
        self._left(worker.slot)
        if self._ending is not None:
            if not self._running:
                self._ending.callback(None)
        elif not self._starting.called:
            self._starting.errback(WorkerFailed(worker.why(reason)))
        elif self.running:
            self._start_again(worker.slot, reason)

    def _start_again(self, slot: int, reason: Failure) -> None:
        now = self._clock.seconds()
        fate = self._fates[slot] = self._fates[slot].died(now)
        wait = max(0.0, (fate.due_at or now) - now)
        _log.warn(
            "worker {slot} ended: {reason} Another is started in {wait:g} s",
            slot=slot,
            reason=reason.getErrorMessage(),
            wait=wait,
        )
        self._waiting[slot] = self._clock.callLater(wait, self._start, slot)

    def _kill(self) -> None:
        for worker in self._running.values():
            _log.error("worker {slot} doesn't end; it is killed", slot=worker.slot)
            worker.signal("KILL")


def open_socket(where: Listen) -> socket.socket:
    """
    A listening socket for all workers.

    @raise SettingsError: it can't be had.
    """
    opened = socket.socket(where.family)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind((where.interface, where.port))
        opened.listen(BACKLOG)
    except OSError as error:
        opened.close()
        raise SettingsError((f"api.listen: port {where.port} can't be listened on: {error}",)) from error
    opened.setblocking(False)
    return opened


def spawner(
    reactor: Any, arguments: list[str], count: int, listening: socket.socket, turns: int
) -> Callable[[Worker], None]:
    """
    What starts a worker's process.

    @param arguments: C{twistd}'s.
    @param turns: the descriptor of the file for L{octavia_tx.tap.turns.Turns}.
    """
    run = [sys.executable, "-P", "-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile="]
    descriptors = {LIFE: "w", 1: 1, 2: 2, SOCKET: listening.fileno(), STATUS: "r", TURNS: turns}

    def spawn(worker: Worker) -> None:
        environment = {**os.environ, **Inheritance(worker.slot, count).environment()}
        reactor.spawnProcess(worker, run[0], [*run, *arguments], env=environment, childFDs=descriptors)

    return spawn


def logging_arguments(twistd: Mapping[str, Any]) -> list[str]:
    """The options that make a worker's C{twistd} log to where this one's does, given the latter's options."""
    if twistd.get("logger"):
        return ["--logger", qual(twistd["logger"])]
    if twistd.get("syslog"):
        return ["--syslog", "--prefix", str(twistd.get("prefix"))]
    file = twistd.get("logfile") or ("" if twistd.get("nodaemon") else "twistd.log")
    return ["--logfile", str(Path(file).absolute())] if file and file != "-" else []
