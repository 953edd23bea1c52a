"""What one load balancer's haproxy counts and says of its servers, looked at whole or only glanced at."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve

from amphora.handover import Handover
from amphora.master import Master
from amphora.process import epoch, identify
from amphora.runner import Log
from amphora.statistics import Snapshot, is_over, parse, signs, snapshot


class Looks:
    """
    Looks at a haproxy that runs.

    @param identifier: the load balancer's id.
    @param directory: where its files lie.
    """

    def __init__(self, identifier: str, directory: Path, master: Master, handover: Handover) -> None:
        self._identifier = identifier
        self._directory = directory
        self._master = master
        self._handover = handover
        self._over: list[int] = []
        self._signs: object = None

    async def snapshot(self, *, drains: bool) -> Snapshot:
        """
        All of it.

        @param drains: whether also the worker that accepted connections last only finishes those that it has.
        @raise MasterSilent: it doesn't answer.
        """
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
                if (pid in processes.old or drains) and rows and is_over(rows):
                    self._over.append(pid)
                    over.add(epoch(identity))
        return evolve(snapshot(self._identifier, runs), over=frozenset(over))

    async def differs(self) -> bool:
        """
        Whether a glance shows something else than the last L{snapshot}: a listener that is full now or isn't any more,
        and mostly also a member whose state changed. However many members there are, it costs little.

        @raise MasterSilent: it doesn't answer.
        """
        return signs(parse(await self._master.fronts())) != self._signs
