"""
What a request describes, as model objects: one of them, or a pool with members and monitor, or a full tree.

Everything new gets its id, project and revision here, and is held against the rules between objects, so that what
leaves this module may be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from attrs import evolve, frozen

from octavia_tx.errors import InvalidInput, ParentNotFound
from octavia_tx.model import validation
from octavia_tx.model.resources import HealthMonitor, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.statuses import MonitorType, OperatingStatus
from octavia_tx.model.tree import Tree

Values = Mapping[str, Any]


@frozen
class PoolTree:
    """A new pool with what came along."""

    pool: Pool
    members: tuple[Member, ...] = ()
    monitor: HealthMonitor | None = None


def _without(values: Values, *names: str) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name not in names and name != "project_id"}


def _ids(values: Iterable[Any]) -> Any:
    return tuple(value.id for value in values)


@frozen
class Planter:
    """
    Makes the objects of one request, below one load balancer.

    @ivar load_balancer: with the revision that the request makes.
    @ivar now: when they are made.
    """

    load_balancer: LoadBalancer
    now: datetime

    def _origin(self) -> dict[str, Any]:
        return {
            "id": str(uuid4()),
            "project_id": self.load_balancer.project_id,
            "load_balancer_id": self.load_balancer.id,
            "revision": self.load_balancer.revision,
            "created_at": self.now,
        }

    def listener(self, values: Values, where: str) -> Listener:
        """A listener, without what its default pool brings."""
        made = Listener(**self._origin(), **_without(values, "loadbalancer_id", "default_pool", "l7policies"))
        validation.check_listener(made, where)
        return made

    def pool(self, values: Values, where: str) -> PoolTree:
        """A pool with its members and monitor."""
        own = _without(values, "listener_id", "loadbalancer_id", "healthmonitor", "members")
        pool = Pool(**self._origin(), **own)
        validation.check_pool(pool, where)
        given = values["healthmonitor"]
        monitor = None if given is None else self.monitor(given, pool, f"{where}.healthmonitor")
        if monitor is not None:
            pool = evolve(pool, health_monitor_id=monitor.id)
        members = self.members(values["members"] or (), pool, f"{where}.members")
        return PoolTree(evolve(pool, member_ids=_ids(members)), members, monitor)

    def members(self, given: Iterable[Values], pool: Pool, where: str) -> tuple[Member, ...]:
        """Members of a pool, no two of one address and port."""
        made: dict[tuple[str, int], Member] = {}
        for at, values in enumerate(given):
            member = self.member(values, pool, f"{where}[{at}]")
            place = (member.address, member.protocol_port)
            if place in made:
                raise InvalidInput(f"{where}[{at}]", "{}:{}".format(*place), "each address and port once")
            made[place] = member
        return tuple(made.values())

    def member(self, values: Values, pool: Pool, where: str) -> Member:
        """A member of a pool; nobody knows how it fares until the pool's monitor says so."""
        watched = pool.health_monitor_id is not None
        made = Member(
            **self._origin(),
            pool_id=pool.id,
            vnic_type="direct" if values["request_sriov"] else "normal",
            operating_status=OperatingStatus.OFFLINE if watched else OperatingStatus.NO_MONITOR,
            **_without(values, "request_sriov"),
        )
        validation.check_member(made, self.load_balancer, where)
        return made

    def monitor(self, values: Values, pool: Pool, where: str) -> HealthMonitor:
        """A pool's health monitor, with what HTTP asks for where nothing is given."""
        made = with_http_check(HealthMonitor(**self._origin(), **{**_without(values), "pool_id": pool.id}))
        validation.check_monitor(made, pool, where)
        return made


def with_http_check(monitor: HealthMonitor) -> HealthMonitor:
    """The same, and a monitor that speaks HTTP knows what it asks."""
    if monitor.type not in (MonitorType.HTTP, MonitorType.HTTPS):
        return monitor
    missing = {name: value for name, value in validation.HTTP_CHECK.items() if getattr(monitor, name) is None}
    return evolve(monitor, **missing)


def full_tree(load_balancer: LoadBalancer, values: Values, now: datetime) -> Tree:
    """
    A load balancer with all that one request hangs on it.

    Pools stand in C{pools}, or where a listener has its C{default_pool}; a C{default_pool} that has nothing but a
    name means the pool of that name, wherever it stands.

    @raise InvalidInput: a name that no pool has, or that two have.
    """
    planter = Planter(load_balancer, now)
    pools = [planter.pool(given, f"loadbalancer.pools[{at}]") for at, given in enumerate(values["pools"])]
    listeners: list[Listener] = []
    named: list[tuple[int, str, str]] = []
    for at, given in enumerate(values["listeners"]):
        where = f"loadbalancer.listeners[{at}]"
        listener = planter.listener(given, where)
        if listener.default_pool_id is not None:
            raise ParentNotFound(f"{where}.default_pool_id", "Pool", listener.default_pool_id)
        pool = given["default_pool"]
        if isinstance(pool, PoolName):
            named.append((at, pool.name, f"{where}.default_pool"))
        elif pool is not None:
            grown = planter.pool(pool, f"{where}.default_pool")
            validation.check_default_pool(listener, grown.pool, f"{where}.default_pool.protocol")
            listener = evolve(listener, default_pool_id=grown.pool.id)
            pools.append(grown)
        listeners.append(listener)
    for at, name, where in named:
        pool = _by_name(pools, name, where)
        validation.check_default_pool(listeners[at], pool, where)
        listeners[at] = evolve(listeners[at], default_pool_id=pool.id)
    return Tree(
        load_balancer=evolve(load_balancer, listener_ids=_ids(listeners), pool_ids=_ids(p.pool for p in pools)),
        listeners=tuple(listeners),
        pools=tuple(p.pool for p in pools),
        members=tuple(m for p in pools for m in p.members),
        health_monitors=tuple(p.monitor for p in pools if p.monitor is not None),
    )


@frozen
class PoolName:
    """A pool that a full tree describes elsewhere."""

    name: str


def _by_name(pools: Iterable[PoolTree], name: str, where: str) -> Pool:
    found = [p.pool for p in pools if p.pool.name == name]
    if len(found) != 1:
        count = "no pool" if not found else f"{len(found)} pools"
        raise InvalidInput(where, name, f"the name of one pool in the request; {count} of it have that name")
    return found[0]
