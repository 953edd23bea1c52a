"""Amphorae's news into the database: when they were heard, traffic, operating statuses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

from twisted.internet.interfaces import IReactorTime

from octavia_tx.db import amphorae, load_balancers, operating, statistics
from octavia_tx.db.database import Database
from octavia_tx.db.statistics import CounterRow
from octavia_tx.db.transaction import Transaction
from octavia_tx.health.journal import News
from octavia_tx.health.memory import Memory
from octavia_tx.health.registry import Registry
from octavia_tx.model.aggregate import ObjectKind, Statuses, aggregate
from octavia_tx.model.tree import Tree
from octavia_tx.wire.heartbeat import Counters


class Writer:
    """Writes a batch in one transaction, and of statuses only what changes."""

    def __init__(self, clock: IReactorTime, database: Database, registry: Registry, memory: Memory) -> None:
        self._clock = clock
        self._database = database
        self._registry = registry
        self._memory = memory

    async def write(self, batch: dict[str, News]) -> frozenset[str]:
        """
        Write the news of some amphorae. Those that the registry no longer knows are left out.

        @return: ids of those whose news are in the database.
        @raise DatabaseUnavailable: nothing is written; the same batch may be written again.
        """
        batch = {i: news for i, news in batch.items() if i in self._registry}
        due = self._memory.take_in(batch, self._clock.seconds())
        written = False
        try:
            async with self._database.transaction() as tx:
                # Everyone locks amphorae first, then load balancers, then what is below them.
                await self._heard(tx, batch)
                await load_balancers.lock(tx, due)
                trees = [tree for i in sorted(due) if (tree := await load_balancers.tree(tx, i)) is not None]
                for tree in trees:
                    self._memory.made_up(tree)
                await self._traffic(tx, batch)
                await self._statuses(tx, trees)
            written = True
            return frozenset(batch)
        finally:
            if not written:
                for load_balancer_id in due:
                    self._memory.changed(load_balancer_id)

    async def _heard(self, tx: Transaction, batch: dict[str, News]) -> None:
        by_second = defaultdict(list)
        for amphora_id, news in batch.items():
            by_second[int(news.at)].append(amphora_id)
        for _, ids in sorted(by_second.items()):
            at = max(batch[i].at for i in ids)
            await amphorae.heard(tx, sorted(ids), datetime.fromtimestamp(at, UTC))

    async def _traffic(self, tx: Transaction, batch: dict[str, News]) -> None:
        rows = sorted(self._absolute(batch), key=_key)
        if rows:
            await statistics.merge(tx, rows)
        rows = sorted(self._differences(batch), key=_key)
        if rows:
            await statistics.add(tx, rows)

    async def _statuses(self, tx: Transaction, trees: Iterable[Tree]) -> None:
        changes: dict[ObjectKind, Statuses] = {}
        for tree in trees:
            for kind, statuses in aggregate(tree, self._memory.heard(tree.load_balancer.id)).items():
                changes.setdefault(kind, {}).update(statuses)
        for kind, statuses in changes.items():
            await operating.record(tx, kind, dict(sorted(statuses.items())))

    def _absolute(self, batch: dict[str, News]) -> Iterator[CounterRow]:
        for amphora_id, news in batch.items():
            own = self._own(amphora_id)
            for (listener_id, _), (_, counters) in news.counters.items():
                if listener_id in own:
                    yield _row(listener_id, amphora_id, counters)

    def _differences(self, batch: dict[str, News]) -> Iterator[CounterRow]:
        for amphora_id, news in batch.items():
            own = self._own(amphora_id)
            for listener_id, counters in news.differences.items():
                if listener_id in own:
                    yield _row(listener_id, amphora_id, counters)

    def _own(self, amphora_id: str) -> frozenset[str]:
        """Ids of the listeners that an amphora may speak of: those of the load balancer that it serves."""
        amphora = self._registry.get(amphora_id)
        if amphora is None or amphora.load_balancer_id is None:
            return frozenset()
        return self._memory.listener_ids(amphora.load_balancer_id)


def _key(row: CounterRow) -> tuple[str, str, str]:
    """All receivers lock rows in this order, so that none waits for another in a circle."""
    return row.listener_id, row.amphora_id, row.epoch


def _row(listener_id: str, amphora_id: str, counters: Counters) -> CounterRow:
    return CounterRow(
        listener_id=listener_id,
        amphora_id=amphora_id,
        epoch=counters.epoch,
        active_connections=counters.active_connections,
        bytes_in=counters.bytes_in,
        bytes_out=counters.bytes_out,
        request_errors=counters.request_errors,
        total_connections=counters.total_connections,
    )
