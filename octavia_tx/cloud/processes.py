"""
The host's processes that belong to a machine's directory, found by their command lines.

A machine's directory is named by a UUID, so whoever names it on its command line belongs to it. C{/proc} is the only
truth: a file with a process id in it would lie after a crash.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from attrs import frozen
from twisted.logger import Logger

CONFIG_OPTION = "--config"
AGENT_CONFIG = "agent.toml"
AGENT_LOG = "agent.log"
LOG_LIMIT = 4 * 2**20  # bytes; a longer one is put aside when an agent is started
INHERITED = ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH")


def private(path: str, flags: int) -> int:
    """An opener for C{open}: files made by it are for our eyes only."""
    return os.open(path, flags, 0o600)


@frozen
class Running:
    """A process and its arguments, the program's name first."""

    pid: int
    arguments: tuple[str, ...]

    @property
    def config(self) -> str | None:
        """What follows C{--config}, if anything does."""
        given = iter(self.arguments)
        return next(given, None) if CONFIG_OPTION in given else None

    def names(self, directory: Path) -> bool:
        """Whether an argument lies in the directory. Its log doesn't count: someone may be reading it."""
        prefix, log = f"{directory}/", f"{directory}/{AGENT_LOG}"
        return any(a.startswith(prefix) and not a.startswith(log) for a in self.arguments)


class Processes:
    """Starts, finds and signals agents and what they started."""

    log = Logger()

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._children: list[subprocess.Popen[bytes]] = []
        self._known: dict[Path, int] = {}

    def agents(self, directories: Iterable[Path]) -> dict[Path, int]:
        """The ids of the agents that run, by machine's directory."""
        wanted = {str(d / AGENT_CONFIG): d for d in directories}
        found = {d: self._known[d] for c, d in wanted.items() if d in self._known and self._config(self._known[d]) == c}
        if len(found) < len(wanted):
            for process in self._scan():
                if process.config in wanted:
                    found.setdefault(wanted[process.config], process.pid)
        self._known.update(found)
        return found

    def agents_of(self, directory: Path) -> frozenset[int]:
        """The ids of all agents of one machine: more than one while a second finds the first and ends."""
        config = str(directory / AGENT_CONFIG)
        return frozenset(p.pid for p in self._scan() if p.config == config)

    def all_of(self, directory: Path) -> frozenset[int]:
        """The ids of all processes of one machine."""
        return frozenset(p.pid for p in self._scan() if self._belongs(p, directory))

    def start(self, directory: Path, arguments: Sequence[str]) -> int:
        """
        Start an agent that outlives us: in a session of its own, which no terminal and no signal to us reaches.

        A moment may pass until it L{is_visible}.

        @raise OSError: it can't be started.
        """
        path = directory / AGENT_LOG
        with suppress(FileNotFoundError):
            if path.stat().st_size > LOG_LIMIT:
                path.replace(path.with_suffix(".log.1"))
        with open(path, "ab", opener=private) as log:
            child = subprocess.Popen(
                arguments,
                cwd=directory,
                env={name: os.environ[name] for name in INHERITED if name in os.environ},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
            )
        self._children.append(child)
        self._known[directory] = child.pid
        return child.pid

    def is_visible(self, pid: int) -> bool:
        """
        Whether a child that was started can be found, or has ended.

        L{subprocess.Popen} returns when the program runs, which is a moment before C{/proc} says which one it is.
        """
        return bool(self._arguments(pid)) or all(c.poll() is not None for c in self._children if c.pid == pid)

    def forget(self, directory: Path) -> None:
        """That machine is no more."""
        self._known.pop(directory, None)

    def reap(self) -> None:
        """Take notice of our own children's ends, so that no zombie stays."""
        for child in self._children:
            if child.poll() is not None:
                self.log.info("Process {pid} ended: {code}", pid=child.pid, code=child.returncode)
        self._children = [c for c in self._children if c.returncode is None]

    def signal(self, directory: Path, pids: Iterable[int], number: signal.Signals) -> None:
        """
        Send a signal to processes of a machine; one that has ended, or another's under its old number, gets none.

        @raise PermissionError: one isn't ours.
        """
        for pid in pids:
            arguments = self._arguments(pid)
            if arguments and self._belongs(Running(pid, arguments), directory):
                with suppress(ProcessLookupError):
                    os.kill(pid, number)

    def _belongs(self, process: Running, directory: Path) -> bool:
        if process.config == str(directory / AGENT_CONFIG):
            return True
        return process.names(directory) and not self._has_terminal(process.pid)

    def _has_terminal(self, pid: int) -> bool:
        """Whether it is somebody's editor or pager, and not a daemon's child."""
        try:
            after_name = (self._proc / str(pid) / "stat").read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            return False
        return len(after_name) > 4 and after_name[4] != "0"

    def _config(self, pid: int) -> str | None:
        return Running(pid, self._arguments(pid)).config

    def _arguments(self, pid: int) -> tuple[str, ...]:
        """None of a zombie or a kernel's thread."""
        try:
            line = (self._proc / str(pid) / "cmdline").read_bytes()
        except OSError:
            return ()
        return tuple(os.fsdecode(a) for a in line.removesuffix(b"\0").split(b"\0")) if line else ()

    def _scan(self) -> Iterator[Running]:
        for name in os.listdir(self._proc):
            if name.isdecimal() and (arguments := self._arguments(int(name))):
                yield Running(int(name), arguments)
