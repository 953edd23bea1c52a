"""
One server of haproxy's in the place of another of its name: for what its runtime socket can't change of a server.

For a moment there's neither of them. So one that gets requests is swapped only while another one can take them, and
only if it is well: the new one counts as up until it is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from twisted.internet.task import deferLater

from amphora import live
from amphora.master import Master
from amphora.statistics import Row, parse

PATIENCE: Final = 0.1  # seconds for its last requests to end
PAUSE: Final = 0.005  # seconds between looks
_DELETED: Final = "Server deleted."
_WELL: Final = frozenset({"UP", "no check"})
_RESTS: Final = "MAINT"


class Swaps:
    """The servers of one load balancer."""

    def __init__(self, reactor: Any, master: Master) -> None:
        self._reactor = reactor
        self._master = master

    async def make(self, swap: live.Swap) -> bool:
        """
        Whether it is what it is to be. If not, the old one is there as before, or there's neither.

        @raise MasterSilent: it isn't known.
        """
        rows = parse(await self._master.ask(f"@1 show stat {swap.key[0]} 4 -1"))
        place = places(await self._master.states()).get(swap.key)
        if place is None or not may_pause(swap.key, rows):
            return False
        if not await self._forgotten(live.forget(swap.key, *place)):
            if not swap.rested:
                await self._master.tell((live.ready(swap.key),))
            return False
        return live.succeeded(await self._master.tell(swap.orders))

    async def _forgotten(self, orders: Sequence[str]) -> bool:
        deadline = self._reactor.seconds() + PATIENCE
        while _DELETED not in await self._master.tell(orders):
            if self._reactor.seconds() >= deadline:
                return False
            await deferLater(self._reactor, PAUSE)
        return True


def may_pause(key: live.Key, rows: Sequence[Row]) -> bool:
    """
    Whether a server may be missing for a moment, so that nobody notices.

    @param rows: all servers of its section, of C{show stat}.
    """
    own = next((row for row in rows if row["svname"] == key[1]), None)
    if own is None or own["status"] == _RESTS:
        return own is not None
    backup = own["bck"] == "1"
    others = [row for row in rows if row is not own and row["status"] in _WELL and row["weight"] != "0"]
    return own["status"] in _WELL and any(backup or row["bck"] == "0" for row in others)


def places(states: str) -> dict[live.Key, tuple[str, str]]:
    """The servers that C{show servers state} lists, with their address and port."""
    rows = (row.split() for row in states.splitlines())
    return {(row[1], row[3]): (row[4], row[18]) for row in rows if len(row) > 18 and row[0].isdigit()}
