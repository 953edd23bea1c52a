"""
Operating statuses, from what amphorae say of members and listeners up to the load balancer.

What isn't said isn't changed, so that a part of the words, or none after a restart of ours, never makes anything worse.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Final, Literal

from attrs import field, frozen

from octavia_tx.model.l7 import pools_in_use
from octavia_tx.model.resources import Listener, Member, Pool
from octavia_tx.model.statuses import OperatingStatus
from octavia_tx.model.tree import Tree

ObjectKind = Literal["member", "pool", "listener", "load_balancer"]
Statuses = dict[str, OperatingStatus]

_MEMBER_WORDS: Final = {
    "UP": OperatingStatus.ONLINE,
    "DOWN": OperatingStatus.ERROR,
    "DRAIN": OperatingStatus.DRAINING,
    "MAINT": OperatingStatus.OFFLINE,
    "no check": OperatingStatus.NO_MONITOR,
}
_LISTENER_WORDS: Final = {"OPEN": OperatingStatus.ONLINE, "FULL": OperatingStatus.DEGRADED}
# Worst first. What is off on purpose makes nothing above it worse.
_WORST: Final = (OperatingStatus.ERROR, OperatingStatus.DEGRADED)


@frozen(kw_only=True)
class Heard:
    """
    What amphorae said last of one load balancer's parts.

    @ivar listeners: by id, C{OPEN} or C{FULL}.
    @ivar members: by id, haproxy's word.
    @ivar running: an amphora says that it runs the load balancer.
    """

    listeners: Mapping[str, str] = field(factory=dict)
    members: Mapping[str, str] = field(factory=dict)
    running: bool = False


def aggregate(tree: Tree, heard: Heard) -> dict[ObjectKind, Statuses]:
    """
    The operating statuses that now differ from the tree's, by kind and id. Kinds without any are left out.

    To be called only when an amphora of the load balancer was heard, whatever it said.
    """
    tree = tree.living()
    load_balancer = tree.load_balancer
    members = {m.id: _member(m, _monitored(tree, m.pool_id), heard.members.get(m.id)) for m in tree.members}
    alone = {
        item.id: _listener_alone(item, load_balancer.admin_state_up, heard.listeners.get(item.id))
        for item in tree.listeners
    }
    running = [item for item in tree.listeners if alone[item.id] is not OperatingStatus.OFFLINE]
    uses = {item.id: [pool.id for pool in pools_in_use(tree, item)] for item in running}
    used = set(chain.from_iterable(uses.values()))
    pools = {p.id: _pool(p, p.id in used, tree.members_of(p.id), members) for p in tree.pools}
    listeners = alone | {i: _worst([alone[i], *(pools[pool] for pool in uses[i])]) for i in uses}

    status = load_balancer.operating_status
    if not load_balancer.admin_state_up or load_balancer.incomplete is not None:
        status = OperatingStatus.OFFLINE
    elif heard.running or load_balancer.applied_revision > 0 or any(i.id in heard.listeners for i in tree.listeners):
        status = _worst(listeners.values())

    def changed(items: Iterable[Member | Pool | Listener], now: Statuses) -> Statuses:
        return {i.id: now[i.id] for i in items if now[i.id] is not i.operating_status}

    changes: dict[ObjectKind, Statuses] = {
        "member": changed(tree.members, members),
        "pool": changed(tree.pools, pools),
        "listener": changed(tree.listeners, listeners),
        "load_balancer": {} if status is load_balancer.operating_status else {load_balancer.id: status},
    }
    return {kind: statuses for kind, statuses in changes.items() if statuses}


def unheard(member: Member, monitored: bool) -> OperatingStatus:
    """How a member fares by what is asked of it, until amphorae say how it does; one that was dead stays so."""
    if member.incomplete is not None:
        return OperatingStatus.OFFLINE
    dead = member.operating_status is OperatingStatus.ERROR
    status = _member(member, monitored, "DOWN" if dead else None)
    return OperatingStatus.OFFLINE if status is OperatingStatus.DRAINING and member.weight else status


def _monitored(tree: Tree, pool_id: str) -> bool:
    monitor = tree.monitor_of(pool_id)
    return monitor is not None and monitor.admin_state_up


def _member(member: Member, monitored: bool, word: str | None) -> OperatingStatus:
    if not member.admin_state_up:
        return OperatingStatus.OFFLINE
    said = _MEMBER_WORDS.get(word or "")
    if not monitored:
        said = said if said is OperatingStatus.OFFLINE else OperatingStatus.NO_MONITOR
    if member.weight == 0 and said not in (OperatingStatus.ERROR, OperatingStatus.OFFLINE):
        # One that takes no more, but is dead as well, is dead.
        return OperatingStatus.DRAINING
    return said or member.operating_status


def _pool(pool: Pool, used: bool, members: Iterable[Member], statuses: Statuses) -> OperatingStatus:
    """A pool that no running listener uses is in no amphora, and nothing is known of it: C{OFFLINE}."""
    if not (pool.admin_state_up and used):
        return OperatingStatus.OFFLINE
    failed = [statuses[m.id] is OperatingStatus.ERROR for m in members if m.admin_state_up]
    if failed and all(failed):
        return OperatingStatus.ERROR
    return OperatingStatus.DEGRADED if any(failed) else OperatingStatus.ONLINE


def _listener_alone(listener: Listener, parent_up: bool, word: str | None) -> OperatingStatus:
    """The listener's status apart from its pools'."""
    if not (listener.admin_state_up and parent_up):
        return OperatingStatus.OFFLINE
    if word in _LISTENER_WORDS:
        return _LISTENER_WORDS[word]
    running = listener.operating_status is not OperatingStatus.OFFLINE
    return OperatingStatus.ONLINE if running else OperatingStatus.OFFLINE


def _worst(statuses: Iterable[OperatingStatus]) -> OperatingStatus:
    present = set(statuses)
    return next((s for s in _WORST if s in present), OperatingStatus.ONLINE)
