"""
How a request changes a load balancer's tree: drafted, shown to the provider, drafted again under the lock, written.

A I{draft} reads what is there, holds what is asked against it, and says what shall be new, changed and gone. It is
made twice: first without a lock, for the provider to look at, because nothing remote is asked inside a transaction;
then, with the load balancer's row locked and its revision raised, once more, because the world may have moved
meanwhile. Where the provider answers at once, without asking anyone, the second alone will do. Only then is anything
written, all of it or nothing; of a rehearsal (C{dry_run}), in the end nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Generic, TypeVar
from uuid import NAMESPACE_OID, uuid5

from attrs import evolve, frozen
from twisted.logger import Logger

from octavia_tx.api.call import Call
from octavia_tx.api.ground import Ground, leaving
from octavia_tx.db import flavors, load_balancers, operating, quotas
from octavia_tx.db.repository import Repository
from octavia_tx.db.transaction import Transaction
from octavia_tx.driver import addresses
from octavia_tx.errors import (
    AddressTaken,
    AddressUnavailable,
    CloudError,
    DatabaseUnavailable,
    DriverError,
    InvalidInput,
    OctaviaError,
)
from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.statuses import OperatingStatus, ProvisioningStatus
from octavia_tx.model.tree import Child, Tree

_log = Logger()

_Object = TypeVar("_Object", Listener, Pool, Member, HealthMonitor, L7Policy, L7Rule)
_Result = TypeVar("_Result")

_Foresee = Callable[[LoadBalancer, Tree], Awaitable[None]]

_ROWS: Mapping[type, Any] = {below.rows.model: below for below, _ in load_balancers.BELOW}
"""Where objects of each kind are written, in the order in which they may name each other."""


@frozen(kw_only=True)
class Draft(Generic[_Result]):
    """
    A change that may be written.

    @ivar load_balancer: as it was read for this draft, with what the request changes of it.
    @ivar result: what the answer shows; one of the objects here, or C{None}.
    @ivar new, changed, gone: the objects that the request makes, changes, and sends on their way out.
    @ivar touched: objects that have to be applied again, because of what they use.
    @ivar beside: what the new and changed ones refer to, for the provider.
    """

    load_balancer: LoadBalancer
    result: _Result
    new: tuple[Child, ...] = ()
    changed: tuple[Child, ...] = ()
    gone: tuple[Child, ...] = ()
    touched: tuple[tuple[type, str], ...] = ()
    beside: tuple[Child, ...] = ()

    def tree(self) -> Tree:
        """What a provider is asked about."""
        return Tree.of(self.load_balancer, (*self.new, *self.changed, *self.beside))


_Drafting = Callable[[Ground], Awaitable[Draft[_Result]]]


async def carry_out(
    call: Call,
    draft: _Drafting[_Result],
    foresee: _Foresee | None = None,
    *,
    part: tuple[Repository[Any], str] | None = None,
) -> _Result:
    """
    Make the change that a draft describes.

    @param foresee: what else to ask of others before anything is locked.
    @param part: an object of the tree that is changed, by its table and id. Where its provider answers at once, nothing
        remote is to be asked, and one draft will do.
    """
    database = call.parts.database
    if part is not None and foresee is None:
        async with database.transaction(read_only=True) as tx:
            owner = await part[0].owner(tx, part[1])
        if owner is not None and call.may(owner.project_id) and call.parts.providers.immediate(owner.provider):
            return await _at_once(call, draft, owner.id)
    async with database.transaction(read_only=True) as tx:
        first = await draft(Ground(tx, call))
        terms = await flavors.terms(tx, first.load_balancer)
    missing = await call.parts.providers.check(first.load_balancer, first.tree(), terms)
    if foresee is not None:
        await foresee(first.load_balancer, first.tree())
    async with call.writing(first.load_balancer.id) as tx:
        locked = await load_balancers.change(tx, first.load_balancer.id)
        return await _write(call, tx, judged(await draft(Ground(tx, call, locked)), missing), locked)


async def _at_once(call: Call, draft: _Drafting[_Result], load_balancer_id: str) -> _Result:
    async with call.writing(load_balancer_id) as tx:
        locked = await load_balancers.change(tx, load_balancer_id)
        described = await draft(Ground(tx, call, locked))
        terms = await flavors.terms(tx, described.load_balancer)
        missing = await call.parts.providers.check(described.load_balancer, described.tree(), terms)
        return await _write(call, tx, judged(described, missing), locked)


async def plant(call: Call, tree: Tree, terms: Terms) -> LoadBalancer:
    """
    Write a new load balancer with all that hangs on it.

    @param terms: what its flavor and availability zone ask for.
    @return: the load balancer as it was written.
    """
    missing = await call.parts.providers.check(tree.load_balancer, tree, terms)
    judged_tree = Tree.of(
        incomplete(tree.load_balancer, missing.get(tree.load_balancer.id)),
        (incomplete(value, missing.get(value.id)) for value in tree.children()),
    )
    # The network rarely chooses what another load balancer has: all that they have is read only once it did.
    taken: frozenset[str] = frozenset()
    for _ in range(addresses.TRIES - 1):
        placed = await _placed(call, judged_tree, taken)
        try:
            return await _planted(call, placed)
        except AddressTaken:
            async with call.parts.database.transaction(read_only=True) as tx:
                taken = await load_balancers.taken_addresses(tx, None, placed.load_balancer.vip_network_id)
    return await _planted(call, judged_tree)


async def _placed(call: Call, tree: Tree, taken: frozenset[str]) -> Tree:
    """
    The tree with its front-end addresses, which clients go on with at once; without, where the network doesn't answer
    now, or nothing is to be written: then a controller asks for them.

    @raise AddressUnavailable: the address asked for is taken, or none is left.
    """
    if call.rehearsal is not None:
        return tree
    try:
        addressed = await addresses.allocate(call.parts.network, tree.load_balancer, tree.members, taken)
    except AddressUnavailable:
        raise
    except CloudError as error:
        _log.warn(
            "Load balancer {load_balancer} is made without its addresses: {error}",
            load_balancer=tree.load_balancer.id,
            error=str(error),
        )
        return tree
    return evolve(tree, load_balancer=addressed)


async def _planted(call: Call, tree: Tree) -> LoadBalancer:
    """
    Write all of it; where it can't be, the network gets back what it gave. Where it isn't known whether it was written,
    it gets nothing: the addresses may be a load balancer's, and housekeeping finds those that are none's.
    """
    load_balancer = tree.load_balancer
    try:
        async with call.writing(load_balancer.id) as tx:
            await quotas.claim(tx, load_balancer.project_id, (load_balancer, *tree.children()), call.parts.quotas)
            if load_balancer.vip_port_id is not None:
                more = (vip.ip_address for vip in load_balancer.additional_vips)
                given = (load_balancer.vip_address, *more)
                await load_balancers.claim(tx, load_balancer.id, load_balancer.vip_network_id, given)
            await load_balancers.insert(tx, tree)
    except DatabaseUnavailable:
        raise
    except OctaviaError:
        if load_balancer.vip_port_id is not None and call.rehearsal is None:
            with suppress(CloudError):  # what has no row is found and removed by housekeeping, too
                await call.parts.network.release_vip(load_balancer)
        raise
    return load_balancer


async def delete(call: Call, draft: _Drafting[None]) -> None:
    """
    Send objects on their way out. Those that are on their way already stay so, and that is no error.

    @param draft: with what goes, or with nothing where it goes already.
    """
    database = call.parts.database
    async with database.transaction(read_only=True) as tx:
        first = await draft(Ground(tx, call))
        terms = await flavors.terms(tx, first.load_balancer) if first.changed else Terms()
    if not first.gone:
        return
    missing: Mapping[str, str] | None = None
    if first.changed:
        # What a provider thinks of the rest doesn't keep anything from going.
        with suppress(DriverError, CloudError, InvalidInput):
            missing = await call.parts.providers.check(first.load_balancer, first.tree(), terms)
    async with call.writing(first.load_balancer.id) as tx:
        locked = await load_balancers.change(tx, first.load_balancer.id)
        await _write(call, tx, judged(await draft(Ground(tx, call, locked)), missing), locked)


def judged(draft: Draft[_Result], missing: Mapping[str, str] | None) -> Draft[_Result]:
    """
    The draft, and each object in it knows what its provider still misses.

    @param missing: by the object's id, a sentence; C{None}: nobody was asked, and all is as it was.
    """
    if missing is None:
        return draft

    def each(values: tuple[Child, ...]) -> tuple[Child, ...]:
        return tuple(incomplete(value, missing.get(value.id)) for value in values)

    result: Any = draft.result
    if result is not None:
        result = incomplete(result, missing.get(result.id))
    load_balancer = incomplete(draft.load_balancer, missing.get(draft.load_balancer.id))
    return evolve(draft, load_balancer=load_balancer, new=each(draft.new), changed=each(draft.changed), result=result)


def incomplete(value: Any, sentence: str | None) -> Any:
    """An object of which this is missing, or nothing any more; what misses anything isn't served, and C{OFFLINE}."""
    if value.incomplete == sentence:
        return value
    status = OperatingStatus.OFFLINE if sentence is not None else value.operating_status
    return evolve(value, incomplete=sentence, operating_status=status)


async def _write(call: Call, tx: Transaction, draft: Draft[_Result], locked: LoadBalancer) -> _Result:
    """Write a draft, if the project's quotas allow what is new; gives what the answer shows."""
    await quotas.claim(tx, locked.project_id, draft.new, call.parts.quotas, gone=draft.gone)
    if locked != draft.load_balancer:
        await load_balancers.update(tx, draft.load_balancer)
    async with tx.together():
        for kind, rows in _ROWS.items():
            await rows.delete(tx, [v.id for v in draft.gone if type(v) is kind], locked.revision)
            await rows.insert(tx, *(v for v in draft.new if type(v) is kind))
            await rows.update(tx, *(v for v in draft.changed if type(v) is kind))
            await rows.silence(tx, [v.id for v in draft.changed if type(v) is kind and v.incomplete is not None])
            await rows.touch(tx, [i for k, i in draft.touched if k is kind], locked.revision)
        for monitors, watched in ((draft.gone, False), (draft.new, True)):
            await operating.watched(tx, [v.pool_id for v in monitors if type(v) is HealthMonitor], watched)
        await operating.record(tx, "member", {v.id: v.operating_status for v in draft.changed if type(v) is Member})
    return draft.result


def fresh_ids(call: Call) -> Iterator[str]:
    """
    Ids for what a request makes: the same in each of its drafts, so that a provider's word about one holds in the next.
    """
    number = 0
    while True:
        yield str(uuid5(NAMESPACE_OID, f"{call.request_id}/{number}"))
        number += 1


def pending(value: _Object, load_balancer: LoadBalancer, /, **changes: Any) -> _Object:
    """The object with its changes, at the load balancer's revision, to be applied."""
    status = value.provisioning_status
    if status is not ProvisioningStatus.PENDING_CREATE:
        status = ProvisioningStatus.PENDING_UPDATE
    return evolve(value, provisioning_status=status, revision=load_balancer.revision, **changes)


def using(*values: Pool | Listener | L7Policy | None) -> tuple[tuple[type, str], ...]:
    """What has to be applied again when something below these changes: they, and the listeners that use them."""
    found: dict[tuple[type, str], None] = {}
    for value in values:
        if value is not None and not leaving(value):
            found[type(value), value.id] = None
            if isinstance(value, L7Policy):
                found[Listener, value.listener_id] = None
    return tuple(found)
