"""A load balancer's pipe, into which its haproxy writes lines and out of which we take them, many at once."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

from octavia_tx.wire.logs import INFO

PIPE: Final = "access.pipe"
ROOM: Final = 1 << 20  # bytes of the pipe, as many as Linux lets anyone have
REST: Final = 0.05  # seconds between two looks into it, in which lines gather
_CHUNK: Final = 1 << 16
_LINE: Final = 4096  # bytes of a line at most


def make_pipe(directory: Path) -> Path:
    """
    The pipe of the load balancer whose files lie in a directory, whether it was there or not.

    @raise OSError: it can't be made.
    """
    path = directory / PIPE
    if not is_pipe(path):
        path.unlink(missing_ok=True)
        os.mkfifo(path, 0o600)
    return path


def is_pipe(path: Path) -> bool:
    """Whether there's one."""
    try:
        return stat.S_ISFIFO(path.lstat().st_mode)
    except OSError:
        return False


def split(data: bytes) -> tuple[list[bytes], bytes]:
    """
    The access lines in what haproxy wrote, each with its end and without its level, and what isn't a whole line yet.
    What it says of itself is at other levels, and left out.
    """
    *whole, rest = data.split(b"\n")
    return [line[len(INFO) :] + b"\n" for line in whole if line.startswith(INFO)], rest


@implementer(IReadDescriptor)
class Intake:
    """
    Takes lines out of a pipe from L{start} to L{stop}.

    It looks a moment after something came, when there may be more: a busy pipe costs few looks, an idle one none.

    @param take: called with lines.
    """

    def __init__(self, reactor: Any, path: Path, take: Callable[[list[bytes]], None]) -> None:
        self._reactor = reactor
        self._path = path
        self._take = take
        self._descriptor = -1
        self._rest = b""
        self._again: Any = None
        self._least = 0  # bytes of a pipe that is full
        self._crowded = False

    def start(self) -> None:
        """
        Begin. It has begun already: no error.

        @raise OSError: there's no pipe.
        """
        if self._descriptor < 0:
            # For writing too, so that there's no end when haproxy ends.
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
            self._least = self._measured()
            with suppress(PermissionError):  # the user has many pipes already: this one holds less
                fcntl.fcntl(self._descriptor, fcntl.F_SETPIPE_SZ, ROOM)
            self._drain()  # of which there may be as much as before it was enlarged
            self._least = self._measured()
            self._reactor.addReader(self)

    def stop(self) -> None:
        """Take what is there, and no more. It has stopped already: no error."""
        if self._descriptor < 0:
            return
        self._drain()
        if self._again is not None and self._again.active():
            self._again.cancel()
        self._reactor.removeReader(self)
        os.close(self._descriptor)
        self._descriptor, self._again, self._rest = -1, None, b""

    def was_crowded(self) -> bool:
        """Whether there may have been no room for a line since this was last asked; sure, if there was."""
        if self._descriptor >= 0:
            self._drain()
        crowded, self._crowded = self._crowded, False
        return crowded

    def fileno(self) -> int:
        """See L{IReadDescriptor}."""
        return self._descriptor

    def doRead(self) -> None:
        """See L{IReadDescriptor}: there's something."""
        self._reactor.removeReader(self)
        self._again = self._reactor.callLater(REST, self._look)

    def _look(self) -> None:
        self._drain()
        self._reactor.addReader(self)

    def _drain(self) -> None:
        # Not longer than a full pipe: haproxy may be as quick as we are.
        taken = 0
        for _ in range(ROOM // _CHUNK):
            try:
                data = os.read(self._descriptor, _CHUNK)
            except BlockingIOError:
                break
            taken += len(data)
            lines, rest = split(self._rest + data)
            self._rest = rest[-_LINE:]
            if lines:
                self._take(lines)
        else:
            self._crowded = True  # there's more
        self._crowded |= taken >= self._least

    def _measured(self) -> int:
        # A line that doesn't fit into the rest of a page begins another one: of any two pages one may be empty, nearly.
        return int(fcntl.fcntl(self._descriptor, fcntl.F_GETPIPE_SZ)) // 2

    def connectionLost(self, reason: Failure) -> None:
        """See L{IReadDescriptor}: the reactor ends."""
        self.stop()

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return "access log"
