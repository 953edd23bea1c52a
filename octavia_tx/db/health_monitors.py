"""Health monitors of pools."""

from __future__ import annotations

from octavia_tx.db.rows import is_identifier, row, rows
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.resources import HealthMonitor


async def insert(tx: Transaction, health_monitor: HealthMonitor) -> None:
    """
    Write a new health monitor.

    @raise Conflict: the pool has one already.
    """
    await tx.execute("health_monitor.insert", rows=rows([health_monitor]))


async def get(tx: Transaction, id: str) -> HealthMonitor | None:
    """One health monitor by its id."""
    if not is_identifier(id):
        return None
    found = await tx.fetch_one("health_monitor.find", id=id, project_id=None, pool_id=None, load_balancer_id=None)
    return None if found is None else HealthMonitor(**found)


async def find(
    tx: Transaction,
    project_id: str | None = None,
    pool_id: str | None = None,
    load_balancer_id: str | None = None,
) -> tuple[HealthMonitor, ...]:
    """Those that meet all conditions given, the oldest first; those being deleted too, until they are gone."""
    found = await tx.fetch(
        "health_monitor.find", id=None, project_id=project_id, pool_id=pool_id, load_balancer_id=load_balancer_id
    )
    return tuple(HealthMonitor(**each) for each in found)


async def update(tx: Transaction, health_monitor: HealthMonitor) -> None:
    """
    Write what a tenant may change, and provisioning_status, revision and updated_at.

    @raise Conflict: the pool has one already.
    """
    await tx.execute("health_monitor.update", row=row(health_monitor))


async def delete(tx: Transaction, id: str, revision: int) -> None:
    """Ask for a health monitor's deletion at a revision."""
    await tx.execute("health_monitor.delete", id=id, revision=revision)
