"""From one worker of haproxy to the next, so that neither counters nor states of members are lost."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from twisted.internet.task import deferLater
from twisted.logger import Logger

from amphora import durable
from amphora.hold import Holds, NotHeld
from amphora.master import Master, MasterSilent
from amphora.server_states import STATES, handed_on
from amphora.statistics import accepts, parse

STOP_LIMIT: Final = 1.0  # seconds for an old worker to stop accepting
STOP_LOOK: Final = 0.01  # seconds between looks at it


class Handover:
    """
    What is done around a reload of one load balancer's haproxy.

    @param identifier: the load balancer's id.
    @param directory: where its files lie.
    """

    log = Logger()

    def __init__(self, identifier: str, reactor: Any, directory: Path, master: Master) -> None:
        self._identifier = identifier
        self._reactor = reactor
        self._directory = directory
        self._master = master
        self._holds = Holds(reactor, directory)

    async def hold(self) -> list[int]:
        """Keep the worker until it has been heard to the end, where that's possible. Gives its process id then."""
        try:
            return [await self._holds.take()]
        except NotHeld as e:
            self.log.info(
                "{identifier}: what its old worker counts last may be missed: {e}", identifier=self._identifier, e=e
            )
            return []

    def release(self, pids: Iterable[int]) -> None:
        """Let these workers end, held or not."""
        self._holds.release(pids)

    async def until_stopped(self, pids: Iterable[int]) -> None:
        """A worker that is to end is told so a moment later: wait until it accepts nothing more."""
        deadline = self._reactor.seconds() + STOP_LIMIT
        for pid in pids:
            try:
                while accepts(parse(await self._master.statistics(pid))) and self._reactor.seconds() < deadline:
                    await deferLater(self._reactor, STOP_LOOK)
            except MasterSilent:
                return

    async def hand_on_states(self, text: str) -> None:
        """
        Tell the next worker which members are down. What can't be handed on doesn't keep it back.

        @param text: the next worker's configuration.
        """
        path = self._directory / STATES
        try:
            durable.write(path, handed_on(await self._master.states(), text).encode())
        except (MasterSilent, OSError) as e:
            path.unlink(missing_ok=True)
            self.log.warn("{identifier}: members that are down count as up: {e}", identifier=self._identifier, e=e)
