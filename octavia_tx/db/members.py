"""Members of pools."""

from __future__ import annotations

from octavia_tx.db.rows import is_identifier, row, rows
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.resources import Member


async def insert(tx: Transaction, member: Member) -> None:
    """
    Write a new member.

    @raise Conflict: its address and port are taken within the pool.
    """
    await tx.execute("member.insert", rows=rows([member]))


async def get(tx: Transaction, id: str) -> Member | None:
    """One member by its id."""
    if not is_identifier(id):
        return None
    found = await tx.fetch_one("member.find", id=id, project_id=None, pool_id=None, load_balancer_id=None)
    return None if found is None else Member(**found)


async def find(
    tx: Transaction,
    project_id: str | None = None,
    pool_id: str | None = None,
    load_balancer_id: str | None = None,
) -> tuple[Member, ...]:
    """Those that meet all conditions given, the oldest first; those being deleted too, until they are gone."""
    found = await tx.fetch(
        "member.find", id=None, project_id=project_id, pool_id=pool_id, load_balancer_id=load_balancer_id
    )
    return tuple(Member(**each) for each in found)


async def update(tx: Transaction, member: Member) -> None:
    """
    Write what a tenant may change, and provisioning_status, revision and updated_at.

    @raise Conflict: its address and port are taken within the pool.
    """
    await tx.execute("member.update", row=row(member))


async def delete(tx: Transaction, id: str, revision: int) -> None:
    """Ask for a member's deletion at a revision."""
    await tx.execute("member.delete", id=id, revision=revision)
