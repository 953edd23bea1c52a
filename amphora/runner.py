"""How haproxy is started, found again, and told to reload: the effects beneath its machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from amphora.hold import SOCKET as HELD
from amphora.logs.intake import make_pipe
from amphora.master import SOCKET, Master, MasterSilent, Processes
from amphora.preamble import REPEATED
from amphora.process import Identity, Watch, identify, in_directory, spawn
from amphora.server_states import STATES

CONFIGURATION: Final = "haproxy.cfg"
LOG: Final = "haproxy.log"
PID_FILE: Final = "haproxy.pid"
LOG_LIMIT: Final = 1 << 20  # bytes; a longer log is begun anew
GLANCE: Final = 0.02  # seconds between two looks at a master that starts or reloads
RELOAD_LIMIT: Final = 30.0  # seconds; haproxy itself gives up binding after 2
ADOPTION_LIMIT: Final = 5.0  # seconds; a master that is just reloading doesn't answer

_PRESENTING: Final = (" haproxy version is ", " path to executable is ", REPEATED)


class ReloadRefused(Exception):
    """haproxy doesn't accept its new configuration, and says why; what ran before runs on."""


class Running(Protocol):
    """A haproxy that was started, or found."""

    def ready(self) -> Deferred[None]:
        """Fires when its worker serves."""

    def reload(self) -> Deferred[None]:
        """Fires when the new configuration serves; fails with L{ReloadRefused}."""

    def signal(self, number: int) -> None:
        """Send it a signal."""

    def release(self) -> None:
        """Watch it no more; it runs on."""


class Runner(Protocol):
    """Starts haproxy."""

    def spawn(self, ended: Callable[[str], None]) -> Running:
        """
        Start haproxy.

        @param ended: called once with what it said, when it ends.
        @raise OSError: it can't be started.
        """


def environment() -> dict[str, str]:
    """What haproxy may know of the agent's environment: not its settings, since a configuration can read variables."""
    return {name: value for name, value in os.environ.items() if not name.startswith("OCTAVIA_TX_")}


@frozen
class Program:
    """
    How haproxy is called.

    @ivar path: the program's.
    @ivar peer: its own name among haproxy's peers.
    @ivar preamble: a file that it reads before each configuration.
    @ivar prefix: what goes before it on a command line, to have it run where traffic flows.
    """

    path: str
    peer: str
    preamble: Path | None = None
    prefix: tuple[str, ...] = ()

    def check(self, configuration: Path) -> tuple[str, ...]:
        """The command line that only checks a configuration."""
        where = ("-C", str(configuration.parent))
        return (*self.prefix, self.path, "-c", *where, *self._files(configuration), "-L", self.peer)

    def serve(self, directory: Path) -> tuple[str, ...]:
        """
        The command line that serves a load balancer.

        The socket's path is relative to the directory, since a whole one could be longer than sockets' paths may be.
        C{-db}: whatever the configuration says of daemons, it stays the process that we started.
        """
        listening = ("-C", str(directory), "-S", f"unix@{SOCKET},mode,600", "-p", str(directory / PID_FILE))
        served = self._files(directory / CONFIGURATION)
        return (*self.prefix, self.path, "-W", "-db", *listening, *served, "-L", self.peer)

    def _files(self, configuration: Path) -> Iterator[str]:
        for path in (self.preamble, configuration):
            if path is not None:
                yield from ("-f", str(path))


class HaproxyRunner:
    """Runs haproxy for the load balancer whose files lie in a directory."""

    def __init__(self, reactor: Any, directory: Path, program: Program) -> None:
        self._reactor = reactor
        self._directory = directory
        self._program = program
        self._master = Master(reactor, directory)

    def spawn(self, ended: Callable[[str], None]) -> Haproxy:
        """See L{Runner.spawn}. What is still there of an earlier one, since it hangs, is ended before."""
        for stray in in_directory(self._directory):
            stray.kill()
        # Nobody knows how the members are by now.
        for name in (SOCKET, HELD, STATES):
            (self._directory / name).unlink(missing_ok=True)
        log = Log(self._directory)
        log.shorten()
        log.mark()
        pid = spawn(self._program.serve(self._directory), log.path, environment(), make_pipe(self._directory))
        return Haproxy(self._reactor, self._master, log, pid, ended)

    async def find(self, ended: Callable[[str], None]) -> Haproxy | None:
        """The haproxy that an earlier agent left running here, or C{None}."""
        try:
            processes = await self._master.processes(ADOPTION_LIMIT)
            found = Haproxy(self._reactor, self._master, Log(self._directory), processes.master, ended)
        except (MasterSilent, OSError):
            return None
        found.remember(processes)
        return found


class Log:
    """What a program says, in a file, so that it can go on talking when the agent is gone."""

    def __init__(self, directory: Path, name: str = LOG) -> None:
        self.path = directory / name
        self._directory = directory
        self._mark = 0

    def mark(self) -> None:
        """Remember how far it is now."""
        try:
            self._mark = self.path.stat().st_size
        except FileNotFoundError:
            self._mark = 0

    def since_mark(self) -> str:
        """What was said since."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._mark)
                said = file.read(LOG_LIMIT)
        except OSError:
            return ""
        return readable(said.decode(errors="replace"), self._directory)

    def shorten(self) -> None:
        """Begin anew where it has become too long. The program appends, so that it goes on from there."""
        try:
            if self.path.stat().st_size > LOG_LIMIT:
                os.truncate(self.path, 0)
        except FileNotFoundError:
            pass


def readable(said: str, directory: Path) -> str:
    """haproxy's words, without paths of this machine and without the lines that tell nothing of the configuration."""
    lines = said.replace(f"{directory}/", "").splitlines()
    return "\n".join(li for li in lines if li.strip() and not any(words in li for words in _PRESENTING))


class Haproxy:
    """See L{Running}."""

    def __init__(self, reactor: Any, master: Master, log: Log, pid: int, ended: Callable[[str], None]) -> None:
        self.pid = pid
        self._reactor = reactor
        self._master = master
        self._log = log
        self._report = ended
        self._workers: set[Identity] = set()
        self._watch = Watch(reactor, pid, self._ended)

    def remember(self, processes: Processes) -> None:
        """These workers are to end with the master, which they do by themselves unless they hang."""
        found = [identify(pid) for pid in processes.workers + processes.old]
        self._workers = {w for w in found if w}

    def ready(self) -> Deferred[None]:
        """See L{Running.ready}."""
        return Deferred.fromCoroutine(self._until_ready())

    async def _until_ready(self) -> None:
        while True:
            try:
                processes = await self._master.processes()
                if processes.workers and processes.master == self.pid:
                    self.remember(processes)
                    return
            except MasterSilent:
                pass
            await self._glance()

    def reload(self) -> Deferred[None]:
        """See L{Running.reload}."""
        return Deferred.fromCoroutine(self._reload())

    async def _reload(self) -> None:
        self._log.mark()
        try:
            before = await self._master.processes()
            answer = await self._master.ask("reload", RELOAD_LIMIT)
        except MasterSilent as e:
            raise ReloadRefused(f"haproxy's master: {e}") from e
        if answer.startswith("Success=0"):
            said = answer.partition("\n--\n")[2]
            raise ReloadRefused(readable(said, self._log.path.parent))
        if not answer.startswith("Success=1"):
            await self._until_reloaded(before)

    async def _until_reloaded(self, before: Processes) -> None:
        """Before version 2.7, C{reload} answers nothing: what came of it is seen in the list of processes."""
        deadline = self._reactor.seconds() + RELOAD_LIMIT
        while self._reactor.seconds() < deadline:
            await self._glance()
            try:
                now = await self._master.processes()
            except MasterSilent:
                continue
            if now.failed > before.failed:
                raise ReloadRefused(self._log.since_mark())
            if now.reloads > before.reloads and set(now.workers) - set(before.workers):
                self.remember(now)
                return
        raise ReloadRefused(f"haproxy hasn't reloaded within {RELOAD_LIMIT:g} s.")

    async def _glance(self) -> None:
        await deferLater(self._reactor, GLANCE)

    def _ended(self) -> None:
        for worker in self._workers:
            worker.kill()
        self._report(self._log.since_mark())

    def signal(self, number: int) -> None:
        """See L{Running.signal}."""
        if number == signal.SIGKILL:
            for worker in self._workers:
                worker.kill()
        self._watch.signal(number)

    def release(self) -> None:
        """See L{Running.release}."""
        self._watch.release()
