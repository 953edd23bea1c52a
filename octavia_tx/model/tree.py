"""A load balancer with all that hangs on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, TypeVar

from attrs import frozen

from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.statuses import ProvisioningStatus

Child = Listener | Pool | Member | HealthMonitor | L7Policy | L7Rule
_Child = TypeVar("_Child", Listener, Pool, Member, HealthMonitor, L7Policy, L7Rule)

_NAMES: dict[type, str] = {
    Listener: "listeners",
    Pool: "pools",
    Member: "members",
    HealthMonitor: "health_monitors",
    L7Policy: "l7policies",
    L7Rule: "l7rules",
}


@frozen(kw_only=True)
class Tree:
    """
    A load balancer with all that hangs on it: what is written at once, rendered at once, deleted at once.

    @ivar terms: what its flavor and availability zone ask.
    """

    load_balancer: LoadBalancer
    listeners: tuple[Listener, ...] = ()
    pools: tuple[Pool, ...] = ()
    members: tuple[Member, ...] = ()
    health_monitors: tuple[HealthMonitor, ...] = ()
    l7policies: tuple[L7Policy, ...] = ()
    l7rules: tuple[L7Rule, ...] = ()
    terms: Terms = Terms()

    @classmethod
    def of(cls, load_balancer: LoadBalancer, objects: Iterable[Child]) -> Tree:
        """A tree of objects of all kinds."""
        found: dict[type, list[Child]] = {}
        for each in objects:
            found.setdefault(type(each), []).append(each)
        parts: dict[str, Any] = {name: tuple(found.get(kind, ())) for kind, name in _NAMES.items()}
        return cls(load_balancer=load_balancer, **parts)

    def children(self) -> Iterator[Child]:
        """All objects below the load balancer, parents before what hangs on them."""
        return chain(self.pools, self.listeners, self.members, self.health_monitors, self.l7policies, self.l7rules)

    def members_of(self, pool_id: str) -> tuple[Member, ...]:
        """The members of one pool, in the tree's order."""
        return tuple(m for m in self.members if m.pool_id == pool_id)

    def monitor_of(self, pool_id: str) -> HealthMonitor | None:
        """The health monitor of one pool, if it has any."""
        return next((h for h in self.health_monitors if h.pool_id == pool_id), None)

    def pool(self, pool_id: str | None) -> Pool | None:
        """The pool of that id, if it is in the tree."""
        return next((p for p in self.pools if p.id == pool_id), None)

    def policies_of(self, listener_id: str) -> tuple[L7Policy, ...]:
        """The L7 policies of one listener, by position."""
        return tuple(sorted((p for p in self.l7policies if p.listener_id == listener_id), key=lambda p: p.position))

    def rules_of(self, l7policy_id: str) -> tuple[L7Rule, ...]:
        """The rules of one L7 policy, in the tree's order."""
        return tuple(r for r in self.l7rules if r.l7policy_id == l7policy_id)

    def pools_of(self, listener: Listener) -> tuple[Pool, ...]:
        """The pools that a listener uses: its default one, then those to which its L7 policies redirect; each once."""
        named = [listener.default_pool_id, *(p.redirect_pool_id for p in self.policies_of(listener.id))]
        found = [pool for pool in map(self.pool, dict.fromkeys(named)) if pool is not None]
        return tuple(found)

    def living(self) -> Tree:
        """The same without what is on its way out and what is incomplete or below that: what should be served."""

        def keep(items: tuple[_Child, ...]) -> tuple[_Child, ...]:
            return tuple(
                i
                for i in items
                if i.provisioning_status is not ProvisioningStatus.PENDING_DELETE and i.incomplete is None
            )

        pools, listeners = keep(self.pools), keep(self.listeners)
        if self.load_balancer.incomplete is not None:
            pools, listeners = (), ()
        kept = {p.id for p in pools}
        heard = {item.id for item in listeners}
        policies = tuple(
            p for p in keep(self.l7policies) if p.listener_id in heard and p.redirect_pool_id in {None, *kept}
        )
        kept_policies = {p.id for p in policies}
        return Tree(
            load_balancer=self.load_balancer,
            terms=self.terms,
            listeners=listeners,
            pools=pools,
            members=tuple(m for m in keep(self.members) if m.pool_id in kept),
            health_monitors=tuple(h for h in keep(self.health_monitors) if h.pool_id in kept),
            l7policies=policies,
            l7rules=tuple(r for r in keep(self.l7rules) if r.l7policy_id in kept_policies),
        )
