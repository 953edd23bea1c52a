"""Pools."""

from __future__ import annotations

from octavia_tx.db.rows import is_identifier, row, rows
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.resources import Pool


async def insert(tx: Transaction, pool: Pool) -> None:
    """
    Write a new pool.

    @raise Conflict: its id is taken.
    """
    await tx.execute("pool.insert", rows=rows([pool]))


async def get(tx: Transaction, id: str) -> Pool | None:
    """One pool by its id."""
    if not is_identifier(id):
        return None
    found = await tx.fetch_one("pool.find", id=id, project_id=None, load_balancer_id=None)
    return None if found is None else Pool(**found)


async def find(tx: Transaction, project_id: str | None = None, load_balancer_id: str | None = None) -> tuple[Pool, ...]:
    """Those that meet all conditions given, the oldest first; those being deleted too, until they are gone."""
    found = await tx.fetch("pool.find", id=None, project_id=project_id, load_balancer_id=load_balancer_id)
    return tuple(Pool(**each) for each in found)


async def update(tx: Transaction, pool: Pool) -> None:
    """
    Write what a tenant may change, and provisioning_status, revision and updated_at.

    @raise Conflict: its id is taken.
    """
    await tx.execute("pool.update", row=row(pool))


async def delete(tx: Transaction, id: str, revision: int) -> None:
    """Ask for a pool's deletion at a revision, with its members and monitor. Listeners that used it do without."""
    await tx.execute("pool.delete", id=id, revision=revision)
