"""
What a request describes, as model objects: one of them, or a pool with members and monitor, or a full tree.

Everything new gets its id, project and revision here, and is held against the rules between objects, so that what
leaves this module may be written.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from attrs import evolve, field, frozen

from octavia_tx.api.ground import Ground
from octavia_tx.errors import InvalidInput, ParentNotFound
from octavia_tx.model import l7, tls, validation
from octavia_tx.model.aggregate import unheard
from octavia_tx.model.resources import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.statuses import MonitorType, OperatingStatus
from octavia_tx.model.tree import Child, Tree

Values = Mapping[str, Any]


@frozen
class PoolTree:
    """A new pool with what came along."""

    pool: Pool
    members: tuple[Member, ...] = ()
    monitor: HealthMonitor | None = None

    def all(self) -> tuple[Child, ...]:
        """All of it, the pool first."""
        return (self.pool, *self.members, *((self.monitor,) if self.monitor is not None else ()))


@frozen
class PoolName:
    """A pool that a full tree describes elsewhere."""

    name: str


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
    _fresh: Iterator[str]

    def _origin(self) -> dict[str, Any]:
        return {
            "id": next(self._fresh),
            "project_id": self.load_balancer.project_id,
            "load_balancer_id": self.load_balancer.id,
            "revision": self.load_balancer.revision,
            "created_at": self.now,
        }

    def listener(self, values: Values, where: str) -> Listener:
        """A listener, without what its default pool and L7 policies bring."""
        made = Listener(**self._origin(), **_without(values, "loadbalancer_id", "default_pool", "l7policies"))
        made = tls.settled(made, where)
        validation.check_listener(made, where)
        return made

    def pool(self, values: Values, where: str) -> PoolTree:
        """A pool with its members and monitor."""
        own = _without(values, "listener_id", "loadbalancer_id", "healthmonitor", "members")
        pool = tls.settled(Pool(**self._origin(), **own), where)
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
        """A member of a pool."""
        made = Member(
            **self._origin(),
            pool_id=pool.id,
            vnic_type="direct" if values["request_sriov"] else "normal",
            operating_status=OperatingStatus.OFFLINE,
            **_without(values, "request_sriov"),
        )
        validation.check_member(made, self.load_balancer, where)
        return with_status(made, pool)

    def monitor(self, values: Values, pool: Pool, where: str) -> HealthMonitor:
        """A pool's health monitor, with what HTTP asks for where nothing is given."""
        made = with_http_check(HealthMonitor(**self._origin(), **{**_without(values), "pool_id": pool.id}))
        validation.check_monitor(made, pool, where)
        return made

    def policy(self, values: Values, listener: Listener, where: str) -> L7Policy:
        """An L7 policy of a listener, without its rules; its place among the others is found by who knows them."""
        own = _without(values, "rules", "redirect_pool", "listener_id")
        made = l7.with_redirect_code(L7Policy(**self._origin(), **own, listener_id=listener.id))
        l7.check_policy(made, listener, where)
        return made

    def rules(self, given: Iterable[Values], policy: L7Policy, where: str) -> tuple[L7Rule, ...]:
        """Rules of a new L7 policy."""
        return tuple(self.rule(values, policy, f"{where}[{at}]") for at, values in enumerate(given))

    def rule(self, values: Values, policy: L7Policy, where: str) -> L7Rule:
        """A rule of an L7 policy."""
        made = l7.with_key_of_type(L7Rule(**self._origin(), **_without(values), l7policy_id=policy.id), values)
        l7.check_rule(made, where)
        return made


def planter(ground: Ground, load_balancer: LoadBalancer, fresh: Iterator[str]) -> Planter:
    """What makes the objects of a draft."""
    return Planter(load_balancer, ground.call.now(), fresh)


def with_status(member: Member, pool: Pool) -> Member:
    """The same, with the operating status that it has until amphorae tell another."""
    return evolve(member, operating_status=unheard(member, pool.health_monitor_id is not None))


def with_http_check(monitor: HealthMonitor) -> HealthMonitor:
    """The same, and a monitor that speaks HTTP knows what it asks."""
    if monitor.type not in (MonitorType.HTTP, MonitorType.HTTPS):
        return monitor
    missing = {name: value for name, value in validation.HTTP_CHECK.items() if getattr(monitor, name) is None}
    return evolve(monitor, **missing)


def full_tree(values: Values, planter: Planter) -> Tree:
    """
    A load balancer with all that one request hangs on it.

    @raise InvalidInput: a name that no pool has, or that two have.
    """
    growing = Growing(planter)
    for at, given in enumerate(values["pools"]):
        growing.plant(given, f"loadbalancer.pools[{at}]")
    places = [(given, f"loadbalancer.listeners[{at}]") for at, given in enumerate(values["listeners"])]
    for given, where in places:
        growing.plant_pools_of(given, where)
    grown = [growing.listener(given, where) for given, where in places]
    pools = growing.pools()
    load_balancer = evolve(
        planter.load_balancer, listener_ids=_ids(listener for listener, *_ in grown), pool_ids=_ids(pools)
    )
    return Tree.of(load_balancer, (*(each for below in grown for each in below), *growing.parts()))


@frozen
class Growing:
    """
    The pools of a request, and the listeners that use them.

    Pools stand in C{pools}, or where a listener has its C{default_pool} or an L7 policy its C{redirect_pool}. One of
    the latter that has nothing but a name means the pool of that name, wherever it stands; so pools come first.
    """

    planter: Planter
    _planted: dict[str, PoolTree] = field(factory=dict, init=False)

    def plant(self, given: Any, where: str) -> None:
        """Make the pool that stands there, if any does."""
        if given is not None and not isinstance(given, PoolName):
            self._planted[where] = self.planter.pool(given, where)

    def plant_pools_of(self, listener: Values, where: str) -> None:
        """Make the pools that a described listener brings."""
        self.plant(listener["default_pool"], f"{where}.default_pool")
        for at, policy in enumerate(listener["l7policies"] or ()):
            self.plant(policy["redirect_pool"], f"{where}.l7policies[{at}].redirect_pool")

    def pools(self) -> tuple[Pool, ...]:
        """All pools so far."""
        return tuple(grown.pool for grown in self._planted.values())

    def parts(self) -> tuple[Child, ...]:
        """They, with their members and monitors."""
        return tuple(part for grown in self._planted.values() for part in grown.all())

    def listener(self, given: Values, where: str) -> tuple[Child, ...]:
        """A listener, then its L7 policies, then their rules."""
        listener = self.planter.listener(given, where)
        if listener.default_pool_id is not None:
            raise ParentNotFound(f"{where}.default_pool_id", "Pool", listener.default_pool_id)
        pool = self._referred(given["default_pool"], f"{where}.default_pool")
        if pool is not None:
            part = "" if isinstance(given["default_pool"], PoolName) else ".protocol"
            validation.check_default_pool(listener, pool, f"{where}.default_pool{part}")
        policies, rules = self.policies(given["l7policies"] or (), listener, f"{where}.l7policies")
        used = None if pool is None else pool.id
        return (evolve(listener, default_pool_id=used, l7policy_ids=_ids(policies)), *policies, *rules)

    def policies(
        self, given: Iterable[Values], listener: Listener, where: str
    ) -> tuple[tuple[L7Policy, ...], tuple[L7Rule, ...]]:
        """L7 policies of a new listener by position, and their rules."""
        policies: dict[str, L7Policy] = {}
        rules: list[L7Rule] = []
        for at, values in enumerate(given):
            here = f"{where}[{at}]"
            pool = self._referred(values["redirect_pool"], f"{here}.redirect_pool")
            known = {**values, "redirect_pool_id": None if pool is None else pool.id}
            policy = self.planter.policy(known, listener, here)
            if pool is not None:
                l7.check_redirect_pool(listener, pool, f"{here}.redirect_pool")
            its = self.planter.rules(values["rules"] or (), policy, f"{here}.rules")
            rules += its
            placed = l7.placed(_by_position(policies), evolve(policy, rule_ids=_ids(its)), policy.position)
            policies |= {each.id: each for each in placed}
        return _by_position(policies), tuple(rules)

    def _referred(self, given: Any, where: str) -> Pool | None:
        if not isinstance(given, PoolName):
            return None if given is None else self._planted[where].pool
        found = [pool for pool in self.pools() if pool.name == given.name]
        if len(found) != 1:
            count = "no pool has" if not found else f"{len(found)} pools have"
            accepted = f"the name of one pool in the request; {count} that name"
            raise InvalidInput(where, given.name, accepted)
        return found[0]


def _by_position(policies: Mapping[str, L7Policy]) -> tuple[L7Policy, ...]:
    return tuple(sorted(policies.values(), key=lambda policy: policy.position))
