"""
Failover on demand: what an operator asks for, written down for the controllers.

An amphora that shall be replaced is C{DRAINING}. It serves on until another runs what the tenant wants; see
C{controller/plan.py}. Amphorae are locked before their load balancer, as everywhere.
"""

from __future__ import annotations

from octavia_tx.db import amphorae, load_balancers
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import NotFound
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.statuses import AmphoraState


async def of_load_balancer(tx: Transaction, id: str) -> LoadBalancer:
    """
    Replace the amphorae that serve a load balancer. As long as a replacement is under way, asking again begins no
    further one.

    @return: the load balancer with its new revision.
    @raise NotFound: there's none of that id.
    @raise BeingDeleted: it is on its way out.
    """
    found = await amphorae.lock(tx, load_balancer_id=id)
    if not any(amphora.state is AmphoraState.DRAINING for amphora in found):
        for amphora in found:
            await _drain(tx, amphora)
    return await load_balancers.change(tx, id)


async def of_amphora(tx: Transaction, id: str) -> None:
    """
    Replace one amphora. One that doesn't serve a load balancer yet, or does no more, is waited for or replaced
    already; one that belongs to none is retired.

    @raise NotFound: there's none of that id.
    @raise BeingDeleted: its load balancer is on its way out.
    """
    found = await amphorae.lock(tx, id=id)
    if not found:
        raise NotFound("Amphora", id)
    (amphora,) = found
    if amphora.load_balancer_id is None:
        await amphorae.change(tx, amphora.id, amphora.state, AmphoraState.DELETING)
        return
    await _drain(tx, amphora)
    await load_balancers.change(tx, amphora.load_balancer_id)


async def _drain(tx: Transaction, amphora: Amphora) -> None:
    if amphora.state is AmphoraState.ALLOCATED:
        await amphorae.change(tx, amphora.id, AmphoraState.ALLOCATED, AmphoraState.DRAINING)
