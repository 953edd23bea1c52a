"""How objects fare in traffic, as amphorae report it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from octavia_tx.db.transaction import Transaction
from octavia_tx.model.statuses import OperatingStatus

Kind = Literal["member", "pool", "listener", "load_balancer"]


async def record(tx: Transaction, kind: Kind, statuses: Mapping[str, OperatingStatus]) -> None:
    """Write the operating status of objects of one kind, by id; only rows that differ. Unknown ids are ignored."""
    if statuses:
        await tx.execute(f"operating.{kind}", ids=list(statuses), statuses=[str(s) for s in statuses.values()])


async def watched(tx: Transaction, pool_ids: Collection[str], watched: bool) -> None:
    """Pools got a health monitor, or lost it: of their members, nothing is known yet, or nothing is asked any more."""
    if pool_ids:
        await tx.execute("operating.watched", pool_ids=list(pool_ids), watched=watched)
