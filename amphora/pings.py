"""Sees to it that a program pings the members of a load balancer that wants it; see L{amphora.pinger}."""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from twisted.internet.task import deferLater
from twisted.logger import Logger

from amphora import durable, pinger
from amphora.process import Watch, spawn
from amphora.runner import CONFIGURATION, environment

PATIENCE: Final = 2.0  # seconds until it serves
GLANCE: Final = 0.01  # seconds between looks whether it does
AGAIN: Final = 0.2  # seconds until one that ended is started again; each time twice as long while it ends early
LONGEST: Final = 10.0  # one that served as long didn't end early
LOG: Final = "log"


class Pings:
    """
    The program of one load balancer.

    @param prefix: what goes before it on the command line.
    """

    log = Logger()

    def __init__(self, reactor: Any, directory: Path, prefix: tuple[str, ...] = ()) -> None:
        self._reactor = reactor
        self._directory = directory
        self._place = directory / pinger.PLACE
        self._prefix = prefix
        self._pid: int | None = None
        self._since = 0.0
        self._delay = AGAIN

    async def serve(self, text: bytes) -> str:
        """
        See to it that members are pinged if the configuration wants it, and go on seeing to it. If it doesn't, the
        program ends by itself.

        @return: why that can't be; empty where it can.
        """
        said = await self._serve() if pinger.WANTED.encode() in text else ""
        if said:
            said = f"Health monitors of type PING can't be served here: {said}"
            self.log.error("{identifier}: {said}", identifier=self._directory.name, said=said)
        return said

    async def _serve(self) -> str:
        try:
            pinger.Echo(socket.AF_INET).socket.close()
            durable.make_directory(self._place)
            self._keep()
        except OSError as e:
            return f"{e.strerror}. The agent must be root, or of a group of net.ipv4.ping_group_range."
        deadline = self._reactor.seconds() + PATIENCE
        while self._serving() is None:
            if self._reactor.seconds() >= deadline:
                return "the program for it doesn't start."
            await deferLater(self._reactor, GLANCE)
        return ""

    def _keep(self) -> None:
        """Watch the one that serves; where there's none, start one."""
        if self._pid is not None:
            return
        pid = self._serving()
        if pid is None:
            program = (sys.executable, "-I", "-S", pinger.__file__, str(self._directory))
            pid = spawn((*self._prefix, *program), self._place / LOG, environment())
        Watch(self._reactor, pid, lambda: self._ended(pid))
        self._pid, self._since = pid, self._reactor.seconds()

    def stop(self) -> None:
        """Ping no more."""
        pid, self._pid = self._pid, None
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)

    def _ended(self, pid: int) -> None:
        if pid == self._pid:
            self._pid = None
            lasted = self._reactor.seconds() - self._since >= LONGEST
            self._delay = AGAIN if lasted else min(2 * self._delay, LONGEST)
            self._reactor.callLater(self._delay, self._again)

    def _again(self) -> None:
        try:
            if any(pinger.WANTED.encode() in path.read_bytes() for path in self._directory.glob(CONFIGURATION)):
                self._keep()
        except OSError as e:
            self.log.error("members of {directory} aren't pinged: {e}", directory=self._directory.name, e=e)
            self._reactor.callLater(LONGEST, self._again)

    def _serving(self) -> int | None:
        """The pid of the one that serves; C{None}: there's none, or not yet."""
        try:
            lock = os.open(self._place / pinger.LOCK, os.O_RDWR)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            said = os.pread(lock, 20, 0)
            return int(said) if said.isdigit() else None
        else:
            return None
        finally:
            os.close(lock)
