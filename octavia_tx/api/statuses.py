"""The status tree of a load balancer: names and both statuses, top down."""

from __future__ import annotations

from typing import Any

from octavia_tx.api.codec import Encoder
from octavia_tx.model.resources import Pool
from octavia_tx.model.tree import Tree

_brief = Encoder("id", "name", "provisioning_status", "operating_status")
_member = Encoder(*_brief.plain, "address", "protocol_port")
_monitor = Encoder(*_brief.plain, "type")


def status_tree(tree: Tree) -> dict[str, Any]:
    """The whole tree; a pool stands below each listener that uses it, also through an L7 policy."""
    pools = {pool.id: _pool(tree, pool) for pool in tree.pools}
    listeners = []
    for listener in tree.listeners:
        listeners.append({**_brief(listener), "pools": [pools[pool.id] for pool in tree.pools_of(listener)]})
    return {"statuses": {"loadbalancer": {**_brief(tree.load_balancer), "listeners": listeners}}}


def _pool(tree: Tree, pool: Pool) -> dict[str, Any]:
    shown = {**_brief(pool), "members": [_member(m) for m in tree.members_of(pool.id)]}
    monitor = tree.monitor_of(pool.id)
    return shown if monitor is None else {**shown, "health_monitor": _monitor(monitor)}
