"""haproxy's master, spoken with through its socket: which workers there are, what each counts, and a reload."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectError, ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

SOCKET: Final = "master.sock"
_RELOADS: Final = re.compile(r"(\d+) \[failed: (\d+)\]")


class MasterSilent(Exception):
    """The master doesn't answer: there's none, or it is busy."""


@frozen
class Processes:
    """
    What C{show proc} says.

    @ivar reloads: how often the master was told to reload.
    @ivar failed: how many of these it couldn't.
    @ivar workers: pids of those that accept connections.
    @ivar old: pids of those that only finish what they have.
    """

    master: int
    reloads: int
    failed: int
    workers: tuple[int, ...]
    old: tuple[int, ...]


def parse_processes(text: str) -> Processes:
    """
    Read C{show proc}.

    @raise MasterSilent: this is no answer to it.
    """
    master, reloads, failed = 0, 0, 0
    workers: list[int] = []
    old: list[int] = []
    into = workers
    for line in text.splitlines():
        if line.startswith("# "):
            into = old if line.startswith("# old") else workers
            continue
        pid, _, rest = line.partition(" ")
        kind = rest.split(maxsplit=1)[0] if rest.strip() else ""
        if kind == "master":
            master = int(pid)
            counts = _RELOADS.search(rest)
            reloads, failed = (int(counts[1]), int(counts[2])) if counts else (0, 0)
        elif kind == "worker" and pid.isdigit():
            into.append(int(pid))
    if not master:
        raise MasterSilent("The master doesn't list its processes.")
    return Processes(master, reloads, failed, tuple(workers), tuple(old))


class _Question(Protocol):
    """Says one command, closes its own side, and collects all that comes until the other closes too."""

    def __init__(self, command: str, answer: Deferred[str]) -> None:
        self._command = command
        self._answer = answer
        self._received: list[bytes] = []

    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.write(self._command.encode() + b"\n")
        transport.loseWriteConnection()

    def dataReceived(self, data: bytes) -> None:
        self._received.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        # It may be large, and the connection lives on until Python's garbage is collected.
        received = b"".join(self._received).decode(errors="replace")
        self._received = []
        if not self._answer.called:
            self._answer.callback(received)


class _Questions(Factory[_Question]):
    noisy = False

    def __init__(self, question: _Question) -> None:
        self._question = question

    def buildProtocol(self, addr: object) -> _Question:
        return self._question


class Master:
    """
    The master of one load balancer's haproxy.

    Its socket is addressed through a descriptor of its directory, because a socket's whole path may not have more
    than 107 bytes.
    """

    def __init__(self, reactor: Any, directory: Path) -> None:
        self._reactor = reactor
        self._directory = directory

    async def ask(self, command: str, patience: float = 1.0) -> str:
        """
        What the master answers. It may be empty.

        @param patience: seconds.
        @raise MasterSilent: no connection, or no end of the answer within that time.
        """
        try:
            descriptor = os.open(self._directory, os.O_PATH | os.O_DIRECTORY)
        except OSError as e:
            raise MasterSilent(f"No directory: {e.strerror}.") from e
        try:
            return await self._ask(f"/proc/self/fd/{descriptor}/{SOCKET}", command, patience)
        finally:
            os.close(descriptor)

    async def _ask(self, path: str, command: str, patience: float) -> str:
        answer: Deferred[str] = Deferred()
        question = _Question(command, answer)
        endpoint = UNIXClientEndpoint(self._reactor, path, timeout=int(patience) or 1)
        try:
            await endpoint.connect(_Questions(question))
        except (ConnectError, ConnectionDone, ConnectionLost) as e:
            raise MasterSilent(f"No connection: {e}.") from e
        answer.addTimeout(patience, self._reactor, onTimeoutCancel=_silent)
        try:
            return await answer
        finally:
            transport: Any = question.transport
            transport.abortConnection()

    async def processes(self, patience: float = 1.0) -> Processes:
        """
        Which processes there are.

        @raise MasterSilent: see L{ask}.
        """
        return parse_processes(await self.ask("show proc", patience))

    async def statistics(self, worker: int) -> str:
        """
        What a worker counts for its frontends, backends and servers, as CSV.

        @raise MasterSilent: see L{ask}.
        """
        return await self.ask(f"@!{worker} show stat -1 7 -1")

    async def fronts(self) -> str:
        """
        What the worker that accepts connections counts for its frontends and backends, without their servers, as CSV.

        @raise MasterSilent: see L{ask}.
        """
        return await self.ask("@1 show stat -1 3 -1")

    async def states(self) -> str:
        """
        What the worker that accepts connections thinks of its servers, as haproxy can load it again.

        @raise MasterSilent: see L{ask}.
        """
        return await self.ask("@1 show servers state")

    async def tell(self, commands: Iterable[str], patience: float = 5.0) -> str:
        """
        Have the worker that accepts connections follow commands, one after the other. Gives all its answers.

        @raise MasterSilent: see L{ask}.
        """
        return await self.ask("\n".join(f"@1 {command}" for command in commands), patience)


def _silent(_result: object, patience: float) -> Failure:
    return Failure(MasterSilent(f"No answer within {patience} s."))
