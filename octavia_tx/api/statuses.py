"""The status tree of a load balancer: names and both statuses, top down, and why what is incomplete isn't served."""

from __future__ import annotations

from typing import Any

from octavia_tx.api.codec import Encoder
from octavia_tx.model.resources import Pool
from octavia_tx.model.tree import Tree

_brief = Encoder("id", "name", "provisioning_status", "operating_status")
_member = Encoder(*_brief.plain, "address", "protocol_port")
_monitor = Encoder(*_brief.plain, "type")


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
