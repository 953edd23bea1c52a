"""Listeners."""

from __future__ import annotations

from octavia_tx.db.rows import is_identifier, row, rows
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.resources import Listener


async def insert(tx: Transaction, listener: Listener) -> None:
    """
    Write a new listener.

    @raise Conflict: its protocol and port are taken within the load balancer.
    """
    await tx.execute("listener.insert", rows=rows([listener]))


async def get(tx: Transaction, id: str) -> Listener | None:
    """One listener by its id."""
    if not is_identifier(id):
        return None
    found = await tx.fetch_one("listener.find", id=id, project_id=None, load_balancer_id=None)
    return None if found is None else Listener(**found)


async def find(
    tx: Transaction, project_id: str | None = None, load_balancer_id: str | None = None
) -> tuple[Listener, ...]:
    """Those that meet all conditions given, the oldest first; those being deleted too, until they are gone."""
    found = await tx.fetch("listener.find", id=None, project_id=project_id, load_balancer_id=load_balancer_id)
    return tuple(Listener(**each) for each in found)


async def update(tx: Transaction, listener: Listener) -> None:
    """
    Write what a tenant may change, and provisioning_status, revision and updated_at.

    @raise Conflict: its protocol and port are taken within the load balancer.
    """
    await tx.execute("listener.update", row=row(listener))


async def delete(tx: Transaction, id: str, revision: int) -> None:
    """Ask for a listener's deletion at a revision."""
    await tx.execute("listener.delete", id=id, revision=revision)
