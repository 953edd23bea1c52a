"""
Sweep away what has no row, and events that are older than anybody asks for.

A row is written before its machine is made and forgotten after the machine is gone, so a machine without a row is
nobody's: its maker had lost its lease, or compute made it after all when it had said that it didn't.
"""

from __future__ import annotations

from twisted.logger import Logger

from octavia_tx.controller.chores import Chores
from octavia_tx.controller.work import Means
from octavia_tx.db import amphorae, events
from octavia_tx.errors import OctaviaError
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState

# Events deleted in one transaction, and in one go: whoever writes new ones isn't to notice.
EVENTS_AT_ONCE = 1000
EVENTS_AT_MOST = 100_000

_log = Logger()


class Housekeeping(Chores):
    """A machine must be found without a row twice in a row to be destroyed."""

    def __init__(self, means: Means) -> None:
        super().__init__(means.clock, "Housekeeping", (self.look, self.forget_events), self._until_next)
        self._means = means
        self._suspects: frozenset[str] = frozenset()

    def _until_next(self) -> float:
        settings = self._means.settings
        return settings.second_look if self._suspects else settings.housekeeping

    async def forget_events(self) -> None:
        """
        Delete the oldest events, a bounded number of them; what is left then is older than it should be until the
        next time.

        @raise DatabaseUnavailable: some may have been deleted.
        """
        for _ in range(EVENTS_AT_MOST // EVENTS_AT_ONCE):
            async with self._means.database.transaction() as tx:
                if await events.forget(tx, self._means.settings.history, EVENTS_AT_ONCE) < EVENTS_AT_ONCE:
                    return

    async def look(self) -> None:
        """
        Look once: destroy the machines that had no row the last time either, finish retired spares, and send others
        their settings where that's due.

        @raise OctaviaError: the cloud or the database can't be asked now.
        """
        machines = frozenset(m.amphora_id for m in await self._means.compute.list())
        async with self._means.database.transaction() as tx:  # after the list: rows are older than their machines
            rows = await amphorae.find(tx)
        strangers = machines - {a.id for a in rows}
        confirmed = strangers & self._suspects
        self._suspects = strangers
        for amphora_id in sorted(confirmed):
            _log.warn("Machine of amphora {amphora} has no row and is destroyed", amphora=amphora_id)
            if await self._destroyed(amphora_id):
                self._suspects -= {amphora_id}
        for amphora in rows:
            if amphora.load_balancer_id is not None:
                continue
            if amphora.state is AmphoraState.DELETING:
                await self._finish(amphora)
            elif amphora.state is AmphoraState.READY and amphora.config_due:
                await self._renew(amphora)

    async def _destroyed(self, amphora_id: str) -> bool:
        try:
            await self._means.compute.destroy(amphora_id)
        except OctaviaError as error:
            _log.warn("Machine of amphora {amphora} stays for now: {error}", amphora=amphora_id, error=str(error))
            return False
        return True

    async def _renew(self, amphora: Amphora) -> None:
        try:
            await self._means.driver.configure(amphora, self._means.boots.settings(amphora.id))
        except OctaviaError as error:
            _log.warn("Spare {amphora} keeps its settings for now: {error}", amphora=amphora.id, error=str(error))
            return
        async with self._means.database.transaction() as tx:
            await amphorae.record(tx, amphora.id, config_due=False)

    async def _finish(self, amphora: Amphora) -> None:
        if await self._destroyed(amphora.id):
            async with self._means.database.transaction() as tx:
                await amphorae.forget(tx, amphora.id)
