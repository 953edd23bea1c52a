"""
The embedded compute driver: an amphora's machine is a directory and an agent's process on this host.

Agents outlive the controller. Several controllers of a host may share the directory: each sees to it that every
machine's agent runs, and the lock in L{Machines} keeps them from starting it twice.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from signal import SIGKILL, SIGTERM
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.logger import Logger
from zope.interface import implementer

from octavia_tx.cloud.machines import Machines, Place
from octavia_tx.cloud.processes import AGENT_CONFIG, CONFIG_OPTION, Processes
from octavia_tx.cloud.restarts import Restarts
from octavia_tx.errors import CloudError
from octavia_tx.interfaces import IComputeDriver
from octavia_tx.model.amphora import Boot, Machine
from octavia_tx.wire.rest import AGENT_PORT

# All in seconds.
SUPERVISION_INTERVAL = 1.0
LOCK_DEADLINE = 5.0
LOCK_INTERVAL = 0.01
END_INTERVAL = 0.05
GRACE = 1.0  # from SIGTERM to SIGKILL
KILL_DEADLINE = 5.0

Command = Callable[[Place], Sequence[str]]


def agent_command(haproxy: str, place: Place) -> tuple[str, ...]:
    """
    The command line of a machine's agent.

    It needs no C{twistd} on the C{PATH}, writes no C{twistd.pid} (whose number would be another's after a crash), and
    imports nothing from the machine's directory.
    """
    run = (sys.executable, "-P", "-c", "from twisted.scripts.twistd import run; run()", "--nodaemon", "--pidfile=")
    listen = f"tcp:{AGENT_PORT}:interface={place.address}"
    config = str(place.directory / AGENT_CONFIG)
    return (*run, "octavia-amphora-agent", CONFIG_OPTION, config, "--listen", listen, "--haproxy", haproxy)


@implementer(IComputeDriver)
class ProcessCompute(Service):
    """
    Machines as processes, supervised while the service runs: an agent that ended is started again within a second.

    @param directory: where machines' directories are kept.
    @param haproxy: the path of haproxy, for the agents.
    @param command: an agent's command line; C{--config <directory>/agent.toml} must be in it, as two arguments.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        directory: Path,
        haproxy: str,
        *,
        command: Command | None = None,
        processes: Processes | None = None,
        machines: Machines | None = None,
    ) -> None:
        self._clock = reactor
        self._command = command or partial(agent_command, haproxy)
        self._machines = machines or Machines(directory)
        self._processes = processes or Processes()
        self._restarts: dict[str, Restarts] = {}
        self._damaged: frozenset[str] = frozenset()
        self._interrupted = False
        self._supervision = LoopingCall(lambda: self._reported(self._supervise()))
        self._supervision.clock = reactor
        self._supervised: Deferred[LoopingCall] | None = None
        self._machines.open()

    def startService(self) -> None:
        """Adopt the machines there are, finish what was interrupted, and supervise from now on."""
        super().startService()  # type: ignore[no-untyped-call]
        self._interrupted = True
        self._supervised = self._supervision.start(SUPERVISION_INTERVAL)

    async def _stop(self) -> None:
        supervised, self._supervised = self._supervised, None
        if supervised is not None:
            self._supervision.stop()
            await supervised

    def stopService(self) -> Deferred[None]:
        """Supervise no longer. Machines run on."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def ensure(self, boot: Boot) -> Machine:
        """See L{IComputeDriver}."""
        async with self._exclusive():
            if self._machines.is_condemned(boot.amphora_id):
                raise CloudError(f"The machine of amphora {boot.amphora_id} is still being destroyed.")
            place = self._machines.place(boot.amphora_id)
            directory = self._machines.directory(boot.amphora_id)
            # Its directory may have been removed, or its record damaged, while its processes ran.
            if (place is None or place.address is None) and self._processes.all_of(directory):
                await self._end_all(directory)
            if place is None:
                self._machines.sweep()
                place = await self._start(self._machines.make(boot))
            elif place.address is None:
                place = await self._start(place)
        return self._machine(place)

    async def find(self, amphora_id: str) -> Machine | None:
        """See L{IComputeDriver}. One whose deletion was interrupted is found, so that it is destroyed again."""
        place = self._machines.place(amphora_id)
        return None if place is None else self._machine(place)

    async def list(self) -> tuple[Machine, ...]:
        """See L{IComputeDriver}."""
        places = self._machines.places()
        agents = self._processes.agents(p.directory for p in places)
        return tuple(_described(p, p.directory in agents) for p in places)

    async def destroy(self, amphora_id: str) -> None:
        """See L{IComputeDriver}."""
        directory = self._machines.directory(amphora_id)
        async with self._exclusive():
            self._machines.condemn(amphora_id)
        with _cloud_errors():
            await self._end_all(directory)
        async with self._exclusive():
            self._machines.erase(amphora_id)
        self._processes.forget(directory)
        self._restarts.pop(amphora_id, None)

    @asynccontextmanager
    async def _exclusive(self) -> AsyncIterator[None]:
        deadline = self._clock.seconds() + LOCK_DEADLINE
        while (lock := self._machines.lock()) is None:
            if self._clock.seconds() >= deadline:
                raise CloudError("Another process holds the lock of the machines' directory.")
            await deferLater(self._clock, LOCK_INTERVAL)
        with lock, _cloud_errors():
            yield

    def _machine(self, place: Place) -> Machine:
        return _described(place, place.directory in self._processes.agents((place.directory,)))

    async def _start(self, place: Place) -> Place:
        """Needs the lock: from looking until it can be seen nobody else may start one."""
        now = self._clock.seconds()
        fate = self._restarts.get(place.amphora_id, Restarts(started_at=now))
        self._restarts[place.amphora_id] = fate.started(now)
        if place.address is None:
            place = self._machines.mend(place)
            self.log.warn(
                "Machine of amphora {amphora_id} is mended: {address}",
                amphora_id=place.amphora_id,
                address=place.address,
            )
        try:
            pid = self._processes.start(place.directory, self._command(place))
        except OSError as error:
            raise CloudError(f"The agent of amphora {place.amphora_id} can't be started: {error}.") from error
        self.log.info("Agent of amphora {amphora_id} started as {pid}", amphora_id=place.amphora_id, pid=pid)
        while not self._processes.is_visible(pid):
            await deferLater(self._clock, END_INTERVAL)
        return place

    async def _end_all(self, directory: Path) -> None:
        # The agent first: it would start haproxy again.
        await self._end(directory, self._processes.agents_of)
        await self._end(directory, self._processes.all_of)

    async def _end(self, directory: Path, which: Callable[[Path], frozenset[int]]) -> None:
        for number, patience in ((SIGTERM, GRACE), (SIGKILL, KILL_DEADLINE)):
            deadline = self._clock.seconds() + patience
            signalled: frozenset[int] = frozenset()
            while self._clock.seconds() < deadline:
                left = which(directory)
                # Twice: one that forks and ends while it is looked for could be missed.
                if not left and not which(directory):
                    return
                self._processes.signal(directory, left - signalled, number)
                signalled |= left
                await deferLater(self._clock, END_INTERVAL)
                self._processes.reap()
        raise CloudError(f"Processes {sorted(which(directory))} of {directory} don't end.")

    async def _supervise(self) -> None:
        self._processes.reap()
        places = [p for p in self._machines.places() if not p.condemned]
        self._tell_damaged(places)
        running = self._processes.agents(p.directory for p in places)
        now = self._clock.seconds()
        for place in places:
            # One that died while no controller ran, or that another started, has no early deaths yet.
            fate = self._restarts.get(place.amphora_id, Restarts(started_at=now))
            fate = fate.lives(now) if place.directory in running else fate.died(now)
            self._restarts[place.amphora_id] = fate
            if fate.is_due(now):
                await self._reported(self._restart(place.amphora_id))
        if self._interrupted:
            self._interrupted = False
            await self._finish_interrupted()

    def _tell_damaged(self, places: Sequence[Place]) -> None:
        """Say it once of each. Its agent may run on; before it is started again, the record is mended."""
        damaged = frozenset(p.amphora_id for p in places if p.address is None)
        for amphora_id in sorted(damaged - self._damaged):
            self.log.error("Machine of amphora {amphora_id}: its record is damaged or missing", amphora_id=amphora_id)
        self._damaged = damaged

    async def _finish_interrupted(self) -> None:
        async with self._exclusive():
            self._machines.sweep()
        for amphora_id in self._machines.condemned():
            await self._reported(self.destroy(amphora_id))

    def _reported(self, work: Coroutine[Deferred[Any], Any, None]) -> Deferred[None]:
        """Failures of supervision have nobody to go to but the log; the next round tries again."""
        return Deferred.fromCoroutine(work).addErrback(lambda f: self.log.failure("Supervision of machines failed", f))

    async def _restart(self, amphora_id: str) -> None:
        async with self._exclusive():
            # Another may have destroyed it, or started it, while we waited for the lock.
            place = self._machines.place(amphora_id)
            if place is not None and not place.condemned and not self._processes.agents((place.directory,)):
                await self._start(place)


def _described(place: Place, running: bool) -> Machine:
    return Machine(
        amphora_id=place.amphora_id,
        compute_id=place.amphora_id,
        running=running and place.address is not None,
        lb_network_ip=place.address,
    )


@contextmanager
def _cloud_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CloudError(f"This host doesn't let machines be kept: {error}.") from error
