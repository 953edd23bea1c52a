"""The heartbeat receiver as a service: what is accepted is written, again and again until it is."""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.logger import Logger

from octavia_tx.db import amphorae
from octavia_tx.db.database import Database
from octavia_tx.errors import DatabaseUnavailable
from octavia_tx.health.journal import Journal, News
from octavia_tx.health.memory import Memory
from octavia_tx.health.receiver import Accepted, Outcome, Receiver
from octavia_tx.health.registry import Registry
from octavia_tx.health.rounds import Rounds
from octavia_tx.health.writer import Writer
from octavia_tx.wire.envelope import Kind

# Amphorae whose news are written in one transaction: at worst, each needs its load balancer's tree read.
_BATCH: Final = 100
# Seconds from an alert to its writing: enough for those that come together to be written together.
_PROMPT: Final = 0.02
# Seconds until all amphorae are read again, where nothing calls for it sooner, and until those that changed are.
_READING_INTERVAL: Final = 5.0
_READING_GAP: Final = 0.1
# More changed amphorae than that are read with all others.
_FEW: Final = 1000
# Seconds until what couldn't be written is tried again.
_RETRY: Final = 1.0


class HealthService(Service):
    """
    Amphorae's heartbeats, from the datagram to the database.

    Whoever listens with L{receiver} stops listening before the service is stopped.
    """

    name = "health"
    log = Logger()

    def __init__(
        self,
        reactor: Any,
        database: Database,
        master_key: bytes,
        *,
        flush_interval: float = 0.2,
        shared_key: bytes | None = None,
    ) -> None:
        """
        @param master_key: what all amphorae's heartbeat keys are derived from.
        @param flush_interval: seconds from an accepted report to its writing.
        @param shared_key: OpenStack's one key for all, where there are amphorae that use it.
        """
        self._database = database
        self._interval = flush_interval
        self._registry = Registry()
        self._memory = Memory(self._registry)
        self._journal = Journal()
        self._writer = Writer(reactor, database, self._registry, self._memory)
        self._reactor = reactor
        self._changed = {""}
        self._whole_at = 0.0
        self._reading = Rounds(reactor, self._read)
        self._flushing = Rounds(reactor, self._flush)
        self._receiver = Receiver(
            reactor, self._registry, master_key, shared_key, accept=self._take_over, missed=self._read_soon
        )
        self._starting: Deferred[None] | None = None
        self._unwritten = False

    @property
    def receiver(self) -> DatagramProtocol:
        """The protocol to listen with."""
        return self._receiver

    @property
    def counters(self) -> Counter[Outcome]:
        """How many datagrams of each outcome there were."""
        return self._receiver.counters

    def startService(self) -> Deferred[None]:
        """Read the amphorae, and hear of changes. Fires when that is done, or the database doesn't answer yet."""
        super().startService()  # type: ignore[no-untyped-call]
        self._starting = Deferred.fromCoroutine(self._start())
        return self._starting

    async def _start(self) -> None:
        try:
            await self._read()
            await self._database.listen("octavia_tx_amphora", self._read_soon)
            await self._database.listen("octavia_tx_work", self._memory.changed)
        except CancelledError:
            return

    def stopService(self) -> Deferred[None]:
        """Write what was accepted; fires when that is done, or can't be."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _stop(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
        await self._reading.stop()
        await self._flushing.stop()
        await self._flush()
        if self._journal:
            self.log.error("The news of {count} amphorae couldn't be written", count=len(self._journal))

    def _take_over(self, accepted: Accepted) -> None:
        self._journal.add(accepted)
        alert = accepted.origin is not None and accepted.origin.header.kind is Kind.ALERT
        self._flushing.within(min(_PROMPT, self._interval) if alert else self._interval)

    def _read_soon(self, amphora_id: str) -> None:
        """This amphora isn't known as it is now; C{""}: any may be."""
        self._changed.add(amphora_id)
        self._reading.within(_READING_GAP)

    async def _read(self) -> None:
        """Read the amphorae that changed, or, now and then, all."""
        changed, self._changed = self._changed, set()
        now = self._reactor.seconds()
        whole = "" in changed or len(changed) > _FEW or now >= self._whole_at
        try:
            async with self._database.transaction(read_only=True) as tx:
                found = await (amphorae.find(tx) if whole else amphorae.those(tx, changed))
        except DatabaseUnavailable:
            self._changed.add("")
            self._reading.within(_RETRY)
            return
        if whole:
            self._whole_at = now + _READING_INTERVAL
            self._registry.replace(found)
            self._memory.forget()
            self._receiver.forget()
        else:
            self._registry.update(changed, found)
        self._reading.within(max(0.0, self._whole_at - now))

    async def _flush(self) -> None:
        """Write what is in the journal now; what comes meanwhile has a round of its own."""
        for _ in range(0, len(self._journal), _BATCH):
            batch = self._journal.take(_BATCH)
            try:
                await self._write(batch)
            except DatabaseUnavailable as e:
                self._journal.put_back(batch)
                self._flushing.within(_RETRY)
                self._say_unwritten(str(e))
                return
        self._unwritten = False

    async def _write(self, batch: dict[str, News]) -> None:
        """Write a batch; if that fails in an unforeseen way, one by one. What couldn't be written is left in it."""
        try:
            written = await self._writer.write(batch)
        except DatabaseUnavailable:
            raise
        except Exception:  # noqa: BLE001  the boundary: what one amphora says must not keep others' from being written
            if len(batch) == 1:
                self.log.failure(
                    "The news of amphora {amphora_id} can't be written; dropped", amphora_id=next(iter(batch))
                )
                return
            for amphora_id in tuple(batch):
                await self._write({amphora_id: batch[amphora_id]})
                del batch[amphora_id]
        else:
            self._answer({i: batch[i] for i in written})

    def _answer(self, written: dict[str, News]) -> None:
        """Tell amphorae what they wait for; an alert is acknowledged now that nothing can lose it any more."""
        for amphora_id, news in written.items():
            for origin in news.alerts:
                self._receiver.answer(Kind.ACKNOWLEDGEMENT, origin)
            if news.heartbeat is not None and self._memory.waits(amphora_id):
                self._receiver.answer(Kind.NOTICE, news.heartbeat)

    def _say_unwritten(self, why: str) -> None:
        """Once for each outage."""
        if not self._unwritten:
            self.log.warn("The database can't be written; what amphorae report is kept until it can: {why}", why=why)
        self._unwritten = True
