"""Processes that may be ours or may have outlived the agent that started them: watched and signalled alike."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


@frozen
class Identity:
    """
    One run of a program: a pid may come again, this doesn't.

    @ivar started: clock ticks since the machine's boot.
    """

    pid: int
    started: int

    @property
    def lives(self) -> bool:
        """Whether it still runs."""
        return identify(self.pid) == self

    def kill(self) -> None:
        """End it at once. Not there any more: no error."""
        if self.lives:
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)


def identify(pid: int) -> Identity | None:
    """Who runs under that pid. Nobody, or only a zombie: C{None}."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The name, in parentheses, may hold anything.
    state, *numbers = text.rpartition(")")[2].split()
    return None if state in "ZX" else Identity(pid, int(numbers[18]))


def in_directory(directory: Path) -> Iterator[Identity]:
    """All processes of ours whose working directory it is, or was until somebody removed it; it may be there anew."""
    there = str(directory.resolve())
    known = (there, f"{there} (deleted)")  # Linux's words
    for pid in filter(str.isdigit, os.listdir("/proc")):
        # Some are gone meanwhile, or not ours to look at.
        with suppress(OSError):
            if os.readlink(f"/proc/{pid}/cwd") in known and (found := identify(int(pid))):
                yield found


def told(word: str) -> Iterator[Identity]:
    """All processes in whose command line that word stands."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            if os.fsencode(word) in words and (found := identify(int(pid))):
                yield found


def epoch(identity: Identity) -> str:
    """A short word that names this run among all of this machine's, also those after its next boot."""
    return f"{_BOOT.read_text()[:8]}-{identity.pid}-{identity.started}"


def spawn(command: Sequence[str], output: Path, environment: Mapping[str, str], pipe: Path | None = None) -> int:
    """
    Start a program in a session of its own, which no terminal and no signal to us reaches.

    @param output: where all is appended that it says; with a pipe, what it says as errors.
    @param pipe: its standard output, at which it never waits. It could read there itself, so that no reader is missed.
    @return: its pid.
    @raise OSError: it can't be started.
    """
    appended = (str(output), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    piped = appended if pipe is None else (str(pipe), os.O_RDWR | os.O_NONBLOCK, 0)
    return os.posix_spawn(
        command[0],
        list(command),
        dict(environment),
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, *piped),
            (os.POSIX_SPAWN_OPEN, 2, *appended),
        ],
        setsid=True,
        setsigmask=(),
        setsigdef=(signal.SIGPIPE, signal.SIGXFSZ),
    )


@implementer(IReadDescriptor)
class Watch:
    """
    Tells when a process ends, be it our child or not.

    @param ended: called once, from the reactor, unless the watch was released before.
    @ivar code: what it ended with; C{None} before, and of somebody else's child.
    @raise OSError: there's no such process.
    """

    def __init__(self, reactor: Any, pid: int, ended: Callable[[], None]) -> None:
        self.pid = pid
        self.code: int | None = None
        self._reactor = reactor
        self._ended = ended
        self._descriptor = os.pidfd_open(pid)
        reactor.addReader(self)

    def fileno(self) -> int:
        """See L{IReadDescriptor}: readable once the process has ended."""
        return self._descriptor

    def doRead(self) -> None:
        """See L{IReadDescriptor}."""
        # An adopted one is somebody else's child.
        with suppress(ChildProcessError):
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, os.WNOHANG)[1])
        self.release()
        self._ended()

    def connectionLost(self, reason: Failure) -> None:
        """See L{IReadDescriptor}: the reactor ends."""
        self.release()

    def logPrefix(self) -> str:
        """See L{IReadDescriptor}."""
        return f"process {self.pid}"

    def signal(self, number: int) -> None:
        """Send the process a signal. It has ended: no error."""
        if self._descriptor >= 0:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def release(self) -> None:
        """Let it run unwatched."""
        if self._descriptor >= 0:
            self._reactor.removeReader(self)
            os.close(self._descriptor)
            self._descriptor = -1
