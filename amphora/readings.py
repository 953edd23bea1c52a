"""What one load balancer's haproxy counts, and how it does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from attrs import evolve

from amphora.alarm import Alarm
from amphora.counted import Counted
from amphora.handover import Handover
from amphora.haproxy import HaproxyLife
from amphora.master import Master, MasterSilent
from amphora.process import epoch, identify
from amphora.runner import Log
from amphora.statistics import Snapshot, connections, is_over, parse, signs, snapshot


class Readings:
    """
    Asks it.

    @param identifier: the load balancer's id.
    @param directory: where its files lie.
    @ivar counted: what its runs counted last, on disk.
    """

    def __init__(
        self, identifier: str, reactor: Any, directory: Path, master: Master, handover: Handover, life: HaproxyLife
    ) -> None:
        self.counted = Counted(directory)
        self._identifier = identifier
        self._reactor = reactor
        self._directory = directory
        self._master = master
        self._handover = handover
        self._life = life
        self._over: list[int] = []
        self._signs: object = None

    async def snapshot(self) -> Snapshot | None:
        """
        What it counts now; C{None} where it doesn't run.

        @raise MasterSilent: it runs, but doesn't answer.
        """
        if not (self._life.serves() or self._life.drains()):
            return None
        Log(self._directory).shorten()
        processes = await self._master.processes()
        # What these count last was noted when it was looked at last.
        self._handover.release(self._over)
        self._over = []
        runs = []
        over = set()
        for pid in (*processes.workers, *processes.old):
            if (identity := identify(pid)) is not None:
                rows = parse(await self._master.statistics(pid))
                runs.append((epoch(identity), pid in processes.workers, rows))
                if pid in processes.workers:
                    self._signs = signs(rows)
                if (pid in processes.old or self._life.drains()) and rows and is_over(rows):
                    self._over.append(pid)
                    over.add(epoch(identity))
        return evolve(snapshot(self._identifier, runs), over=frozenset(over))

    async def differs(self) -> bool:
        """
        Whether a glance shows something else than the last L{snapshot}: a listener that is full now or isn't any more,
        and mostly also a member whose state changed. However many members there are, it costs little.

        @raise MasterSilent: see L{snapshot}.
        """
        return self._life.serves() and signs(parse(await self._master.fronts())) != self._signs

    async def connections(self) -> int:
        """How many there are, once no more are accepted; a haproxy that lives and can't be asked may have one."""
        try:
            processes = await self._master.processes()
            await self._handover.until_stopped(processes.workers)
            rows = [await self._master.statistics(pid) for pid in (*processes.workers, *processes.old)]
        except MasterSilent:
            return int(self._life.drains())
        return sum(connections(parse(text)) for text in rows)

    def alarm(self, ring: Callable[[], None]) -> Alarm:
        """Where it tells at once that something has happened."""
        return Alarm(self._reactor, self._directory, ring)
