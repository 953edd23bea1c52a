"""How keepalived is called, started, and found again; for the VIP of a pair, and for listeners by IPVS."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from amphora.process import Identity, Watch, spawn, told
from amphora.runner import Log, environment

CONFIGURATION: Final = "keepalived.conf"
LOG: Final = "keepalived.log"
PID: Final = "keepalived.pid"
PARTS: Final = ("vrrp.pid", "checkers.pid", "bfd.pid")  # of its children
GLANCE: Final = 0.02  # seconds between two looks whether its children are there
PARTS_LIMIT: Final = 0.5  # seconds; one with nothing to do has no children
SETTLING: Final = 0.3  # seconds; it ends as soon when a child can't do what it shall


class KeepalivedFailed(Exception):
    """keepalived doesn't run, or isn't there; the text says why."""


def find(name: str) -> str | None:
    """The path of an administrator's program; these may lie where a service isn't told to look."""
    return shutil.which(name, path=os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin")))


@frozen
class Keepalived:
    """
    How keepalived is called.

    @ivar path: the program's; C{None}: it isn't there.
    @ivar part: the option for the part of it that runs.
    @ivar prefix: what stands before, which must become it: to run it in another network namespace.
    @ivar scripts: that are beside each configuration, by their names.
    """

    path: str | None
    part: str
    prefix: tuple[str, ...] = ()
    scripts: Mapping[str, bytes] = field(factory=dict, repr=False)

    def check(self, configuration: Path) -> tuple[str, ...]:
        """The command line that only checks a configuration. Raises L{KeepalivedFailed}."""
        return (*self._program(), "-t", "-f", str(configuration))

    def serve(self, directory: Path) -> tuple[str, ...]:
        """The command line that runs it in the foreground, with all its files in a directory."""
        options = zip(("-p", "-r", "-c", "-b"), (PID, *PARTS), strict=True)
        pids = (word for option, name in options for word in (option, str(directory / name)))
        return (*self._program(), "-n", "-l", "-G", self.part, "-f", str(directory / CONFIGURATION), *pids)

    def _program(self) -> tuple[str, ...]:
        if self.path is None:
            raise KeepalivedFailed("keepalived isn't installed on this amphora.")
        return (*self.prefix, self.path)


class _Process:
    """See L{Running<amphora.runner.Running>}."""

    def __init__(self, reactor: Any, directory: Path, log: Log, pid: int, ended: Callable[[str], None]) -> None:
        self._reactor = reactor
        self._directory = directory
        self._log = log
        self._report = ended
        self._watch = Watch(reactor, pid, self._ended)

    def ready(self) -> Deferred[None]:
        """See L{Running<amphora.runner.Running>}."""
        return Deferred.fromCoroutine(self._until_ready())

    async def _until_ready(self) -> None:
        deadline = self._reactor.seconds() + PARTS_LIMIT
        while self._reactor.seconds() < deadline and not any((self._directory / name).exists() for name in PARTS):
            await deferLater(self._reactor, GLANCE)
        await deferLater(self._reactor, SETTLING)

    def reload(self) -> Deferred[None]:
        """See L{Running<amphora.runner.Running>}. It never says no; what it can't go by, ends it."""
        self._log.mark()
        self._watch.signal(signal.SIGHUP)
        return deferLater(self._reactor, SETTLING)

    def _ended(self) -> None:
        self._report(self._log.since_mark())

    def signal(self, number: int) -> None:
        """See L{Running<amphora.runner.Running>}."""
        if number == signal.SIGKILL:
            _end_all(self._directory)
        self._watch.signal(number)

    def release(self) -> None:
        """See L{Running<amphora.runner.Running>}."""
        self._watch.release()


def _theirs(directory: Path) -> tuple[Identity, ...]:
    return tuple(told(str(directory / CONFIGURATION)))


def _end_all(directory: Path) -> None:
    for stray in _theirs(directory):
        stray.kill()


@frozen
class Runner:
    """See L{Runner<amphora.runner.Runner>}."""

    reactor: Any
    directory: Path
    keepalived: Keepalived

    def spawn(self, ended: Callable[[str], None]) -> _Process:
        """See L{Runner<amphora.runner.Runner>}. What is still there of an earlier one is ended before."""
        _end_all(self.directory)
        for name in (PID, *PARTS):
            (self.directory / name).unlink(missing_ok=True)  # it wouldn't start beside whoever has that number now
        log = Log(self.directory, LOG)
        log.shorten()
        log.mark()
        command = self.keepalived.serve(self.directory)
        pid = spawn(command, log.path, environment() | {"TMPDIR": str(self.directory)})
        return _Process(self.reactor, self.directory, log, pid, ended)

    def find(self, ended: Callable[[str], None]) -> _Process | None:
        """The one that an earlier agent left running here, or C{None}."""
        try:
            pid = int((self.directory / PID).read_text())
            if pid in {each.pid for each in _theirs(self.directory)}:
                log = Log(self.directory, LOG)
                log.mark()
                return _Process(self.reactor, self.directory, log, pid, ended)
        except (OSError, ValueError):
            pass
        return None
