"""
What was counted and seen, over all load balancers and all runs of haproxy.

A worker that has ended counts no more, but its last word may not have been heard yet: it is said again until it is
settled, or in an envelope without answers a few times.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from attrs import define, evolve

from amphora.statistics import Snapshot
from octavia_tx.wire.heartbeat import Counters, ListenerReport, MemberReport, Report

REPEATS: Final = 3
_FINISHED_LIMIT: Final = 1000  # last words, the oldest of which are given up

# A listener's id and the epoch of a run.
Run = tuple[str, str]


@define
class _Finished:
    load_balancer_id: str
    counters: Counters
    repeats: int = REPEATS


class Ledger:
    """Holds the newest snapshot of each load balancer, and the last counters of workers that are gone."""

    def __init__(self) -> None:
        self._snapshots: dict[str, Snapshot] = {}
        self._finished: dict[Run, _Finished] = {}
        self._words: dict[tuple[str, str], MemberReport] = {}
        self._over: dict[str, frozenset[str]] = {}

    def restore(self, load_balancer_id: str, counters: Iterable[tuple[str, Counters]]) -> None:
        """Take over what an earlier agent L{kept}. Which of these runs go on, the next L{record} tells."""
        for listener_id, each in counters:
            self._put(load_balancer_id, listener_id, each)

    def kept(self, load_balancer_id: str) -> dict[Run, Counters]:
        """All counters of a load balancer that somebody may not have heard of yet."""
        snapshot = self._snapshots.get(load_balancer_id)
        living = [] if snapshot is None else [(i, c) for i, all_of in snapshot.counters.items() for c in all_of]
        finished = {run: f.counters for run, f in self._finished.items() if f.load_balancer_id == load_balancer_id}
        return {(i, c.epoch): c for i, c in living} | finished

    def record(self, load_balancer_id: str, snapshot: Snapshot | None) -> None:
        """
        Note what a load balancer's haproxy says now.

        @param snapshot: C{None} where it doesn't run.
        """
        before = self._snapshots.pop(load_balancer_id, None)
        if before is not None:
            self._finish(before, snapshot)
        if snapshot is not None:
            self._snapshots[load_balancer_id] = snapshot
            self._words.update({(m.pool_id, m.member_id): m for m in snapshot.members})
            self._go_on(snapshot)
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
        self._over.pop(load_balancer_id, None)
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
                late = self._late(listener_id)
                living = (c for c in snapshot.counters.get(listener_id, ()) if c.epoch not in late)
                counters = (*living, *late.values())
                listeners.append(ListenerReport(listener_id, status, counters))
            members += snapshot.members
            members += [self._words[key] for key in snapshot.unchecked if key in self._words]
        members.sort(key=lambda m: m.pool_id)
        load_balancers = tuple(key for key, s in self._snapshots.items() if s.load_balancer_id)
        return Report(tuple(listeners), tuple(members), load_balancers)

    def pool_listeners(self) -> dict[str, str]:
        """By pool's id, a listener that uses it."""
        return {pool: listener for s in self._snapshots.values() for pool, listener in s.pool_listeners.items()}

    def finished(self) -> Mapping[Run, Counters]:
        """The last words of runs, of listeners that still are served."""
        served = {i for snapshot in self._snapshots.values() for i in snapshot.statuses}
        return {run: finished.counters for run, finished in self._finished.items() if run[0] in served}

    def settled(self, run: Run) -> None:
        """Nobody needs to hear its last word any more."""
        self._finished.pop(run, None)

    def reported(self, report: Report) -> None:
        """This was sent, and won't be answered: what it repeated needs less of that."""
        for listener in report.listeners:
            for counters in listener.counters:
                key = listener.listener_id, counters.epoch
                finished = self._finished.get(key)
                if finished is not None:
                    finished.repeats -= 1
                    if finished.repeats == 0:
                        del self._finished[key]

    def _finish(self, before: Snapshot, now: Snapshot | None) -> None:
        """Some that counted do so no more."""
        gone = before.epochs() - before.over - (now.epochs() if now is not None else frozenset())
        for listener_id, all_of in before.counters.items():
            for counters in all_of:
                if counters.epoch in gone:
                    self._put(before.load_balancer_id, listener_id, evolve(counters, active_connections=0))

    def _go_on(self, now: Snapshot) -> None:
        """Some count still, and some have come to their end; a listener that isn't served any more has none."""
        id = now.load_balancer_id
        ends, self._over[id] = now.over - self._over.get(id, frozenset()), now.over
        for listener_id, all_of in now.counters.items():
            for counters in all_of:
                if counters.epoch in ends:
                    self._put(id, listener_id, counters)
                elif counters.epoch not in now.over:
                    self._finished.pop((listener_id, counters.epoch), None)
        for run, finished in tuple(self._finished.items()):
            if finished.load_balancer_id == id and now.statuses and run[0] not in now.statuses:
                del self._finished[run]

    def _put(self, load_balancer_id: str, listener_id: str, counters: Counters) -> None:
        if counters.total_connections or counters.bytes_in or counters.bytes_out or counters.request_errors:
            self._finished[listener_id, counters.epoch] = _Finished(load_balancer_id, counters)
        while len(self._finished) > _FINISHED_LIMIT:
            del self._finished[next(iter(self._finished))]

    def _late(self, listener_id: str) -> dict[str, Counters]:
        return {epoch: f.counters for (i, epoch), f in self._finished.items() if i == listener_id}


def statuses(report: Report) -> object:
    """What of a report is worth a word at once when it differs."""
    members = frozenset((m.pool_id, m.member_id, m.status) for m in report.members)
    return frozenset((r.listener_id, r.status) for r in report.listeners), members, frozenset(report.load_balancers)
