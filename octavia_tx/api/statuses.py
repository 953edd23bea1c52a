"""The status tree of a load balancer: names and both statuses, top down, and why what is incomplete isn't served."""

from __future__ import annotations

from typing import Any

from octavia_tx.api.codec import Encoder
from octavia_tx.api.shapes import TEXT, a_list, an_object, with_keys
from octavia_tx.model.resources import HealthMonitor, L7Policy, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.tree import Tree

_brief = Encoder("id", "name", "provisioning_status", "operating_status")
_member = Encoder(*_brief.plain, "address", "protocol_port")
_monitor = Encoder(*_brief.plain, "type")

_REASON = frozenset({"reason"})  # only of what is incomplete

_POOL = with_keys(
    _brief.shape(Pool),
    frozenset({"health_monitor", "reason"}),
    members=a_list(with_keys(_member.shape(Member), _REASON, reason=TEXT)),
    health_monitor=with_keys(_monitor.shape(HealthMonitor), _REASON, reason=TEXT),
    reason=TEXT,
)
_LISTENER = with_keys(
    _brief.shape(Listener),
    frozenset({"l7policies", "reason"}),
    pools=a_list(_POOL),
    l7policies=a_list(with_keys(_brief.shape(L7Policy), reason=TEXT)),
    reason=TEXT,
)
_LOAD_BALANCER = with_keys(_brief.shape(LoadBalancer), _REASON, listeners=a_list(_LISTENER), reason=TEXT)
SHAPE = an_object(statuses=an_object(loadbalancer=_LOAD_BALANCER))


def _shown(encode: Encoder, value: Any) -> dict[str, Any]:
    """An object, with the reason if its provider misses something of it."""
    shown = encode(value)
    return shown if value.incomplete is None else {**shown, "reason": value.incomplete}


def status_tree(tree: Tree) -> dict[str, Any]:
    """
    The whole tree; a pool stands below each listener that uses it, also through an L7 policy. Of a listener's L7
    policies only those are told that miss something.
    """
    pools = {pool.id: _pool(tree, pool) for pool in tree.pools}
    listeners = []
    for listener in tree.listeners:
        policies = [_shown(_brief, p) for p in tree.policies_of(listener.id) if p.incomplete is not None]
        used = [pools[pool.id] for pool in tree.pools_of(listener)]
        shown = {**_shown(_brief, listener), "pools": used}
        listeners.append({**shown, "l7policies": policies} if policies else shown)
    return {"statuses": {"loadbalancer": {**_shown(_brief, tree.load_balancer), "listeners": listeners}}}


def _pool(tree: Tree, pool: Pool) -> dict[str, Any]:
    shown = {**_shown(_brief, pool), "members": [_shown(_member, m) for m in tree.members_of(pool.id)]}
    monitor = tree.monitor_of(pool.id)
    return shown if monitor is None else {**shown, "health_monitor": _shown(_monitor, monitor)}
