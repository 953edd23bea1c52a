"""
What was counted and seen, over all load balancers and all runs of haproxy.

A worker that has ended counts no more, but its last word may not have been heard yet: it is said a few times again.
"""

from __future__ import annotations

from typing import Final

from attrs import define, evolve

from amphora.statistics import Snapshot
from octavia_tx.wire.heartbeat import Counters, ListenerReport, MemberReport, Report

REPEATS: Final = 3


@define
class _Finished:
    load_balancer_id: str
    counters: Counters
    repeats: int = REPEATS


class Ledger:
    """Holds the newest snapshot of each load balancer, and the last counters of workers that are gone."""

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        self._finished: dict[tuple[str, str], _Finished] = {}
        self._words: dict[tuple[str, str], MemberReport] = {}

    def record(self, load_balancer_id: str, snapshot: Snapshot | None) -> None:
        """
        Note what a load balancer's haproxy says now.

        @param snapshot: C{None} where it doesn't run.
        """
        before = self._snapshots.pop(load_balancer_id, None)
        if snapshot is not None:
            self._snapshots[load_balancer_id] = snapshot
            self._words.update({(m.pool_id, m.member_id): m for m in snapshot.members})
        if before is not None:
            self._finish(before, snapshot)
        if before is not None and snapshot is not None:
            known = {(m.pool_id, m.member_id) for m in snapshot.members} | set(snapshot.unchecked)
            for member in before.members:
                if (member.pool_id, member.member_id) not in known:
                    self._words.pop((member.pool_id, member.member_id), None)

    def forget(self, load_balancer_id: str) -> None:
        """The load balancer is gone, and so is all interest in it."""
        snapshot = self._snapshots.pop(load_balancer_id, None)
        if snapshot is not None:
            for member in snapshot.members:
                self._words.pop((member.pool_id, member.member_id), None)
        self._finished = {k: f for k, f in self._finished.items() if f.load_balancer_id != load_balancer_id}

    def report(self) -> Report:
        """
        All that is known.

        A member that haproxy's new worker hasn't checked yet is what it was; a wholly new one isn't mentioned.
        """
        listeners: list[ListenerReport] = []
        members: list[MemberReport] = []
        for snapshot in self._snapshots.values():
            for listener_id, status in snapshot.statuses.items():
                counters = snapshot.counters.get(listener_id, ()) + self._late(listener_id)
                listeners.append(ListenerReport(listener_id, status, counters))
            members += snapshot.members
            members += [self._words[key] for key in snapshot.unchecked if key in self._words]
        members.sort(key=lambda m: m.pool_id)
        load_balancers = tuple(key for key, s in self._snapshots.items() if s.load_balancer_id)
        return Report(tuple(listeners), tuple(members), load_balancers)

    def pool_listeners(self) -> dict[str, str]:
        """By pool's id, a listener that uses it."""
        return {pool: listener for s in self._snapshots.values() for pool, listener in s.pool_listeners.items()}

    def reported(self, report: Report) -> None:
        """This was sent: what it repeated needs less of that."""
        for listener in report.listeners:
            for counters in listener.counters:
                key = listener.listener_id, counters.epoch
                finished = self._finished.get(key)
                if finished is not None:
                    finished.repeats -= 1
                    if finished.repeats == 0:
                        del self._finished[key]

    def _finish(self, before: Snapshot, now: Snapshot | None) -> None:
        living = {(i, c.epoch) for i, all_of in (now.counters if now else {}).items() for c in all_of}
        for listener_id, all_of in before.counters.items():
            for counters in all_of:
                key = listener_id, counters.epoch
                if key not in living:
                    last = evolve(counters, active_connections=0)
                    self._finished[key] = _Finished(before.load_balancer_id, last)

    def _late(self, listener_id: str) -> tuple[Counters, ...]:
        return tuple(f.counters for (i, _epoch), f in self._finished.items() if i == listener_id)


def statuses(report: Report) -> object:
    """What of a report is worth a word at once when it differs."""
    members = frozenset((m.pool_id, m.member_id, m.status) for m in report.members)
    return frozenset((r.listener_id, r.status) for r in report.listeners), members, frozenset(report.load_balancers)
