"""Amphorae."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import fields_dict

from octavia_tx.db import leases
from octavia_tx.db.repository import Repository
from octavia_tx.db.rows import columns as as_columns
from octavia_tx.db.rows import is_identifier
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import NotFound
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState

rows = Repository("amphora", Amphora)

insert = rows.insert
get = rows.get
find = rows.find
those = rows.those

_WRITABLE = frozenset(fields_dict(Amphora)) - {"id", "state", "created_at", "updated_at"}


async def of(tx: Transaction, load_balancer_id: str) -> tuple[Amphora, ...]:
    """Those that serve a load balancer, the oldest first."""
    return await find(tx, load_balancer_id=load_balancer_id)


async def lock(tx: Transaction, *, id: str | None = None, load_balancer_id: str | None = None) -> tuple[Amphora, ...]:
    """One by its id, or those of a load balancer; nobody else changes them until the transaction ends."""
    if not is_identifier(id or load_balancer_id or ""):
        return ()
    found = await tx.fetch("amphora.lock", rows.shape, id=id, load_balancer_id=load_balancer_id)
    return tuple(Amphora(**each) for each in found)


async def change(tx: Transaction, id: str, expected: AmphoraState, state: AmphoraState, **columns: Any) -> bool:
    """
    Move an amphora on in its life, and tell the controllers.

    @param columns: further columns to write with it.
    @return: whether it was in the expected state; if not, nothing is changed.
    """
    changed = await tx.fetch("amphora.change", id=id, expected=expected, state=state, columns=_json(columns))
    return bool(changed)


async def record(tx: Transaction, id: str, **columns: Any) -> None:
    """Write some columns of an amphora, but not its state."""
    await tx.execute("amphora.record", id=id, columns=_json(columns))


async def renew_settings(tx: Transaction, id: str) -> None:
    """
    Have a controller send the amphora's agent its settings anew.

    @raise NotFound: there's none of that id.
    """
    found = await lock(tx, id=id)
    if not found:
        raise NotFound("Amphora", id)
    await record(tx, id, config_due=True)
    if found[0].load_balancer_id is not None:
        await leases.wake(tx, found[0].load_balancer_id)


async def forget(tx: Transaction, id: str) -> None:
    """Delete an amphora's row. None there: no error."""
    await tx.execute("amphora.forget", id=id)


async def heard(tx: Transaction, ids: Sequence[str], at: datetime) -> None:
    """Note that these were heard from. Unknown ones are ignored; time never goes back."""
    await tx.execute("amphora.heard", ids=list(ids), at=at)


def _json(columns: Mapping[str, Any]) -> str:
    unknown = columns.keys() - _WRITABLE
    if unknown:
        raise TypeError(f"Not columns of an amphora that may be written: {', '.join(sorted(unknown))}.")
    return as_columns(columns)
