"""How many objects of each kind a project may have, and has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from attrs import evolve

from octavia_tx.db import health_monitors, l7policies, l7rules, listeners, load_balancers, members, pools
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import QuotaExceeded
from octavia_tx.model.quota import KINDS, UNLIMITED, Quota
from octavia_tx.model.resources import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.statuses import ProvisioningStatus

_SHAPES = {
    LoadBalancer: ("load_balancer", load_balancers.rows.shape),
    Listener: ("listener", listeners.rows.shape),
    Pool: ("pool", pools.rows.shape),
    Member: ("member", members.rows.shape),
    HealthMonitor: ("health_monitor", health_monitors.rows.shape),
    L7Policy: ("l7policy", l7policies.rows.shape),
    L7Rule: ("l7rule", l7rules.rows.shape),
}
"""By class, a kind's name and its table."""


async def get(tx: Transaction, project_id: str) -> Quota:
    """A project's own limits; none where it has none."""
    found = await tx.fetch_one("quota.get", project_id=project_id)
    return Quota(**found) if found is not None else Quota(project_id=project_id)


async def find(
    tx: Transaction, project_id: str | None = None, after: str | None = None, limit: int | None = None
) -> tuple[Quota, ...]:
    """Projects' own limits, or one's, by project; those of projects C{after} one, so many at most."""
    found = await tx.fetch("quota.find", project_id=project_id, after=after, limit=limit)
    return tuple(Quota(**each) for each in found)


async def change(tx: Transaction, project_id: str, limits: Mapping[str, Any], now: datetime) -> Quota:
    """Set some of a project's limits, and leave the others as they are; gives all of them."""
    await tx.fetch("quota.lock", project_id=project_id)
    quota = evolve(await get(tx, project_id), **limits)
    await tx.execute("quota.put", now=now, project_id=quota.project_id, **{k: getattr(quota, k) for k in KINDS})
    return quota


async def reset(tx: Transaction, project_id: str) -> None:
    """Take a project's own limits away. It has none: no error."""
    await tx.execute("quota.reset", project_id=project_id)


async def usage(tx: Transaction, project_id: str) -> dict[str, int]:
    """How many objects of each kind a project has; what is being deleted doesn't count."""
    found: dict[str, Any] | None = await tx.fetch_one("quota.usage", project_id=project_id)
    assert found is not None
    return {kind: int(found[kind]) for kind in KINDS}


async def claim(
    tx: Transaction, project_id: str, new: Iterable[Any], defaults: Mapping[str, int], *, gone: Iterable[Any] = ()
) -> None:
    """
    Make sure that a project may have these new objects, until the transaction ends. To be asked after load balancers
    are locked, and before anything is inserted.

    @param defaults: the limits of projects that have none of their own.
    @param gone: what the same change sends on its way out, and makes room for the new.
    @raise QuotaExceeded: it may not.
    """
    wanted = Counter(type(value) for value in new)
    if not wanted:
        return
    limits = (await get(tx, project_id)).over(defaults)
    limited = [kind for kind in _SHAPES if kind in wanted and limits[_SHAPES[kind][0]] != UNLIMITED]
    if not limited:
        return
    freed = Counter(type(value) for value in gone if value.provisioning_status != ProvisioningStatus.PENDING_DELETE)
    await tx.fetch("quota.lock", project_id=project_id)
    limits = (await get(tx, project_id)).over(defaults)
    for kind in limited:
        name, shape = _SHAPES[kind]
        row = await tx.fetch_one("quota.used", shape, project_id=project_id)
        used = int(row["used"]) if row is not None else 0
        if limits[name] != UNLIMITED and used - freed[kind] + wanted[kind] > limits[name]:
            raise QuotaExceeded(name, limits[name], used)
