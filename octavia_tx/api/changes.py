"""
How a request changes a load balancer's tree: drafted, shown to the provider, drafted again under the lock, written.

A I{draft} reads what is there, holds what is asked against it, and says what to write. It is made twice: first
without a lock, for the provider to look at, because nothing remote is asked inside a transaction; then, with the load
balancer's row locked and its revision raised, once more, because the world may have moved meanwhile. Only then is
anything written, all of it or nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

from attrs import evolve, frozen

from octavia_tx.api.call import Call
from octavia_tx.db import listeners, load_balancers, pools
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import Conflict, NotFound, ParentNotFound
from octavia_tx.model.resources import HealthMonitor, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.statuses import ProvisioningStatus
from octavia_tx.model.tree import Tree

_Object = TypeVar("_Object", Listener, Pool, Member, HealthMonitor)
_Result = TypeVar("_Result")

_Foresee = Callable[[LoadBalancer, Tree], Awaitable[None]]


@frozen
class Draft(Generic[_Result]):
    """
    A change that may be written.

    @ivar load_balancer: as it was read for this draft.
    @ivar tree: what is new or changed, and what that refers to: what a provider is asked about.
    @ivar result: what the answer shows.
    """

    load_balancer: LoadBalancer
    tree: Tree
    write: Callable[[Transaction], Awaitable[None]]
    result: _Result


async def carry_out(
    call: Call, draft: Callable[[Transaction], Awaitable[Draft[_Result]]], foresee: _Foresee | None = None
) -> _Result:
    """
    Make the change that a draft describes.

    @param foresee: what else to ask of others before anything is locked.
    """
    database = call.parts.database
    async with database.transaction(read_only=True) as tx:
        first = await draft(tx)
    await call.parts.providers.check(first.load_balancer.provider, first.tree)
    if foresee is not None:
        await foresee(first.load_balancer, first.tree)
    async with database.transaction() as tx:
        await load_balancers.change(tx, first.load_balancer.id)
        final = await draft(tx)
        await final.write(tx)
    return final.result


async def delete(
    call: Call,
    found: Callable[[Transaction], Awaitable[_Object]],
    write: Callable[[Transaction, _Object, int], Awaitable[None]],
) -> None:
    """
    Send an object on its way out. One that is on its way already stays so, and that is no error.

    @param found: the object, or raises L{NotFound}.
    """
    async with call.parts.database.transaction() as tx:
        value = await found(tx)
        if leaving(value):
            return
        revision = (await load_balancers.change(tx, value.load_balancer_id)).revision
        value = await found(tx)
        if not leaving(value):
            await write(tx, value, revision)


def leaving(value: _Object | LoadBalancer) -> bool:
    """Whether an object is on its way out."""
    return value.provisioning_status is ProvisioningStatus.PENDING_DELETE


def staying(value: _Object, kind: str) -> _Object:
    """
    The object itself.

    @raise Conflict: it is on its way out.
    """
    if leaving(value):
        raise Conflict(f"{kind} {value.id} is being deleted and can't be changed.")
    return value


def pending(value: _Object, load_balancer: LoadBalancer, **changes: Any) -> _Object:
    """The object with its changes, at the load balancer's revision, to be applied."""
    status = value.provisioning_status
    if status is not ProvisioningStatus.PENDING_CREATE:
        status = ProvisioningStatus.PENDING_UPDATE
    return evolve(value, provisioning_status=status, revision=load_balancer.revision, **changes)


async def touch_listeners(tx: Transaction, load_balancer: LoadBalancer, identifiers: Iterable[str]) -> None:
    """Listeners have to be applied again, because of what they use."""
    for identifier in identifiers:
        listener = await listeners.get(tx, identifier)
        if listener is not None and not leaving(listener):
            await listeners.update(tx, pending(listener, load_balancer))


async def touch_pool(tx: Transaction, load_balancer: LoadBalancer, pool: Pool) -> None:
    """A pool, and the listeners that use it, have to be applied again."""
    await pools.update(tx, pending(pool, load_balancer))
    await touch_listeners(tx, load_balancer, pool.listener_ids)


async def load_balancer_of(tx: Transaction, call: Call, identifier: str, where: str | None = None) -> LoadBalancer:
    """
    The load balancer that something new hangs on.

    @param where: the field that names it; C{None} where it is the parent of an object that was found.
    @raise NotFound: it isn't there, or isn't the caller's to see.
    """
    found = await load_balancers.get(tx, identifier)
    if found is None or not call.caller.sees(found.project_id):
        raise _missing("Load balancer", identifier, where)
    return found


async def pool_of(tx: Transaction, call: Call, identifier: str, where: str | None = None) -> Pool:
    """The pool that something new hangs on. Raises as L{load_balancer_of}, and L{Conflict} when it is leaving."""
    return staying(await pool_seen(tx, call, identifier, where), "Pool")


async def pool_seen(tx: Transaction, call: Call, identifier: str, where: str | None = None) -> Pool:
    """The same, leaving or not."""
    found = await pools.get(tx, identifier)
    if found is None or not call.caller.sees(found.project_id):
        raise _missing("Pool", identifier, where)
    return found


async def listener_of(tx: Transaction, call: Call, identifier: str, where: str | None = None) -> Listener:
    """The listener that something new hangs on. Raises as L{pool_of}."""
    found = await listeners.get(tx, identifier)
    if found is None or not call.caller.sees(found.project_id):
        raise _missing("Listener", identifier, where)
    return staying(found, "Listener")


def _missing(kind: str, identifier: str, where: str | None) -> NotFound:
    return NotFound(kind, identifier) if where is None else ParentNotFound(where, kind, identifier)
