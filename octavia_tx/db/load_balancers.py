"""Load balancers, and what happens to a whole tree at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from octavia_tx.db import flavors, health_monitors, l7policies, l7rules, listeners, members, pools
from octavia_tx.db.repository import Repository
from octavia_tx.db.rows import is_identifier
from octavia_tx.db.rows import rows as as_rows
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import AddressTaken, BeingDeleted, NotFound
from octavia_tx.model.amphora import Vip
from octavia_tx.model.resources import AdditionalVip, LoadBalancer
from octavia_tx.model.statuses import ProvisioningStatus
from octavia_tx.model.tree import Tree

rows = Repository("load_balancer", LoadBalancer, find="load_balancer.find")

get = rows.get
find = rows.find

BELOW = (
    (pools, "pools"),
    (listeners, "listeners"),
    (members, "members"),
    (health_monitors, "health_monitors"),
    (l7policies, "l7policies"),
    (l7rules, "l7rules"),
)
"""What hangs on a load balancer, and the tree's name of it, in the order in which one names the other."""
_READ = tuple(reversed(BELOW))
"""Who names is read before what it names."""
_WAITING = (ProvisioningStatus.PENDING_CREATE, ProvisioningStatus.PENDING_UPDATE, ProvisioningStatus.ERROR)


async def insert(tx: Transaction, tree: Tree) -> None:
    """
    Write a new load balancer with all that hangs on it, and tell the controllers.

    @raise Conflict: its VIP's address is taken, or two of its parts contradict each other.
    """
    await tx.fetch("load_balancer.insert", rows.shape, rows=as_rows([tree.load_balancer]))
    async with tx.together():
        for repository, name in BELOW:
            await repository.insert(tx, *getattr(tree, name))


async def tree(tx: Transaction, id: str) -> Tree | None:
    """
    A load balancer with all that hangs on it.

    It is read top down: what is committed meanwhile shows in parts, at a revision above the load balancer's here, and
    no part names another that isn't there.
    """
    load_balancer = await get(tx, id)
    if load_balancer is None:
        return None
    below = {name: await repository.find(tx, load_balancer_id=id) for repository, name in _READ}
    return Tree(load_balancer=load_balancer, terms=await flavors.terms(tx, load_balancer), **below)


async def change(tx: Transaction, id: str) -> LoadBalancer:
    """
    Begin a change of a tree: lock its load balancer until the transaction ends, raise its revision, make it pending
    and due, and tell the controllers.

    @return: the load balancer with its new revision, without the ids of what hangs on it.
    @raise NotFound: there's none of that id.
    @raise BeingDeleted: it is on its way out.
    """
    if not is_identifier(id):
        raise NotFound("Load balancer", id)
    changed = await tx.fetch_one("load_balancer.change", rows.shape, id=id)
    if changed is not None:
        return LoadBalancer(**changed)
    if await get(tx, id) is None:
        raise NotFound("Load balancer", id)
    raise BeingDeleted(id)


async def lock(tx: Transaction, ids: Collection[str]) -> None:
    """
    Keep changes of these trees out until the transaction ends; unknown ids are ignored.

    Who writes to parts of several trees does this first: everyone else begins with the load balancer's row too, so
    that nobody who holds a part waits for one who waits for it.
    """
    if ids:
        await tx.fetch("load_balancer.lock", ids=list(ids))


async def update(tx: Transaction, load_balancer: LoadBalancer) -> None:
    """Write what a tenant may change: name, description, admin_state_up, tags, vip_qos_policy_id, vip_sg_ids."""
    await tx.execute("load_balancer.update", rows=as_rows([load_balancer]))


async def delete(tx: Transaction, id: str) -> None:
    """
    Ask for the whole tree's deletion. On its way out already: no error.

    @raise NotFound: there's none of that id.
    """
    if not is_identifier(id):
        raise NotFound("Load balancer", id)
    if not await tx.fetch("load_balancer.delete", id=id) and await get(tx, id) is None:
        raise NotFound("Load balancer", id)


async def record_vip(tx: Transaction, id: str, vip: Vip, additional: Collection[AdditionalVip]) -> None:
    """
    Write the addresses that the network gave.

    @param additional: all additional VIPs, in their order.
    @raise AddressTaken: another load balancer holds one of them.
    """
    await claim(tx, id, vip.network_id, [vip.address, *(each.ip_address for each in additional)])
    await tx.execute(
        "load_balancer.record_vip",
        id=id,
        address=vip.address,
        port_id=vip.port_id,
        subnet_id=vip.subnet_id,
        network_id=vip.network_id,
        additional=as_rows(additional),
    )


async def claim(tx: Transaction, id: str, network_id: str | None, addresses: Iterable[str | None]) -> None:
    """
    Make sure that no other load balancer has these addresses on the network, nor gets them before the transaction ends.

    @raise AddressTaken: one has.
    """
    given = [address for address in addresses if address]
    await tx.fetch("load_balancer.claim_addresses", addresses=given)
    taken = await taken_addresses(tx, id, network_id, given)
    if taken:
        raise AddressTaken(f"Another load balancer has the VIP address {', '.join(sorted(taken))}.")


async def taken_addresses(
    tx: Transaction, id: str | None, network_id: str | None, among: Collection[str] | None = None
) -> frozenset[str]:
    """
    The front-end addresses on a network that others than this load balancer hold, and those for which others asked
    before it did. Another network may have the same ones.

    @param id: C{None}: all that any holds or asks for.
    @param network_id: C{None}: on all networks.
    @param among: of these alone.
    """
    if among is None:
        found = await tx.fetch("load_balancer.taken_addresses", id=id, network_id=network_id)
    else:
        found = await tx.fetch("load_balancer.taken_of_addresses", id=id, network_id=network_id, among=list(among))
    return frozenset(each["address"] for each in found)


async def applied(tx: Transaction, id: str, revision: int, seen: Tree | None = None) -> None:
    """
    The amphorae run this revision: what changed up to it is C{ACTIVE} or gone, what changed later stays pending. The
    load balancer is C{ACTIVE} when this is its newest revision, and its error is past.

    @param seen: the tree as it was read at this revision, which saves reading it.
    """
    seen = seen or await tree(tx, id)
    async with tx.together():
        await tx.execute("load_balancer.applied", id=id, revision=revision)
        for repository, name in _READ:
            due = [part for part in getattr(seen, name, ()) if part.revision <= revision]
            gone = [part.id for part in due if part.provisioning_status is ProvisioningStatus.PENDING_DELETE]
            served = [part.id for part in due if part.provisioning_status in _WAITING]
            await repository.rows.remove(tx, *gone)
            await repository.rows.applied(tx, served, revision)


async def failed(tx: Transaction, id: str, sentence: str) -> None:
    """Tell why a change isn't applied: C{ERROR} for it and its pending parts, unless they are being deleted."""
    await tx.execute("load_balancer.failed", id=id, sentence=sentence)


async def forget(tx: Transaction, id: str) -> None:
    """
    Delete the row and everything below.

    @raise Conflict: it has amphorae still.
    """
    await tx.execute("load_balancer.forget", id=id)
