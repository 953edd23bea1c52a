"""
Lines that found no room in the pipe: haproxy counts them.

It counts with them what it says of itself and found no room, as when many members change at once. So what it counts
counts only where the pipe may have been full.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from amphora.master import Master, MasterSilent
from amphora.process import epoch, identify

FILE: Final = "losses.json"
_DROPPED: Final = re.compile(r"^DroppedLogs: (\d+)$", re.MULTILINE)


class Losses:
    """
    Those of one load balancer's haproxy.

    @param directory: where haproxy's files lie; C{memory}: where it is remembered what was told already.
    """

    def __init__(self, reactor: Any, directory: Path, memory: Path) -> None:
        self._master = Master(reactor, directory)
        self._path = memory / FILE
        self._known: dict[str, int] = {}
        with suppress(OSError, ValueError, TypeError, AttributeError):
            self._known = {str(run): int(count) for run, count in json.loads(self._path.read_bytes()).items()}
        self._unsure = bool(self._known)  # what an earlier agent saw of the pipe since it last asked isn't known

    async def since(self, was_crowded: Callable[[], bool]) -> int:
        """
        How many lines were lost since this was last asked, by this agent or the one before.

        @param was_crowded: whether the pipe may have been full since this was last asked.
        """
        try:
            processes = await self._master.processes()
            found: dict[str, int] = {}
            for pid in (*processes.workers, *processes.old):
                identity = identify(pid)
                counted = _DROPPED.search(await self._master.ask(f"@!{pid} show info"))
                if identity is not None and counted is not None:
                    found[epoch(identity)] = int(counted[1])
        except MasterSilent:
            return 0  # there's none, or it is busy: the next time will tell
        lost = sum(max(0, count - self._known.get(run, 0)) for run, count in found.items())
        if found != self._known:
            self._known = found
            with suppress(OSError):
                self._path.write_text(json.dumps(found))
        crowded, self._unsure = was_crowded() or self._unsure, False
        return lost if crowded else 0
