"""How objects fare in traffic, as amphorae report it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from octavia_tx.db.transaction import Transaction
from octavia_tx.model.statuses import OperatingStatus

Kind = Literal["member", "pool", "listener", "load_balancer"]


async def record(tx: Transaction, kind: Kind, statuses: Mapping[str, OperatingStatus]) -> None:
    """Write the operating status of objects of one kind, by id; only rows that differ. Unknown ids are ignored."""
    if statuses:
        await tx.execute(f"operating.{kind}", ids=list(statuses), statuses=[str(s) for s in statuses.values()])
