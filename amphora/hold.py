"""
A session with a worker that keeps it from ending.

A worker that was replaced ends as soon as its last connection does, and nobody hears any more what it counted since it
was asked last. An open session with the worker itself is a connection too. Should the agent end, so does the session.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

SOCKET: Final = "worker.sock"
PATIENCE: Final = 1.0  # seconds
# Longer than old workers may live. That the worker answers shows that it, and not its successor, has the connection.
_COMMANDS: Final = b"prompt; set timeout cli 2d; show info\n"
_PID: Final = re.compile(rb"^Pid: (\d+)\r?\n", re.MULTILINE)
_LIMIT: Final = 1 << 16  # bytes of an answer


class NotHeld(Exception):
    """There's no worker that lets itself be held."""


class _Session(Protocol):
    def __init__(self, greeted: Deferred[int], lost: Callable[[_Session], None]) -> None:
        self._greeted = greeted
        self._lost = lost
        self._received = b""

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(_COMMANDS)

    def dataReceived(self, data: bytes) -> None:
        if self._greeted.called:
            return
        self._received += data
        found = _PID.search(self._received)
        if found:
            self._greeted.callback(int(found[1]))
        elif len(self._received) > _LIMIT:
            self.end()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._greeted.called:
            self._greeted.errback(NotHeld("The worker hung up."))
        self._lost(self)

    def end(self) -> None:
        transport: Any = self.transport
        transport.abortConnection()


class _Sessions(Factory[_Session]):
    noisy = False

    def __init__(self, session: _Session) -> None:
        self._session = session

    def buildProtocol(self, addr: object) -> _Session:
        return self._session


class Holds:
    """The workers of one load balancer that are kept from ending."""

    def __init__(self, reactor: Any, directory: Path) -> None:
        self._reactor = reactor
        self._directory = directory
        self._sessions: dict[int, _Session] = {}

    async def take(self) -> int:
        """
        Hold the worker that accepts connections.

        @return: its pid.
        @raise NotHeld: its configuration has no socket for this, or it doesn't answer.
        """
        greeted: Deferred[int] = Deferred()
        session = _Session(greeted, self._forget)
        try:
            # A descriptor, because a socket's whole path may not have more than 107 bytes.
            descriptor = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        except OSError as e:
            raise NotHeld(f"No directory: {e.strerror}.") from e
        try:
            path = f"/proc/self/fd/{descriptor}/{SOCKET}"
            await UNIXClientEndpoint(self._reactor, path, timeout=int(PATIENCE)).connect(_Sessions(session))
        except (ConnectError, ConnectionDone, ConnectionLost) as e:
            raise NotHeld(f"No connection: {e}.") from e
        finally:
            os.close(descriptor)
        greeted.addTimeout(PATIENCE, self._reactor, onTimeoutCancel=_silent)
        try:
            pid = await greeted
        except NotHeld:
            session.end()
            raise
        self.release((pid,))
        self._sessions[pid] = session
        return pid

    def release(self, pids: Iterable[int]) -> None:
        """Let these workers end. Not held: no error."""
        for pid in pids:
            session = self._sessions.pop(pid, None)
            if session is not None:
                session.end()

    def _forget(self, lost: _Session) -> None:
        self._sessions = {pid: session for pid, session in self._sessions.items() if session is not lost}


def _silent(_result: object, patience: float) -> Failure:
    return Failure(NotHeld(f"No answer within {patience} s."))
