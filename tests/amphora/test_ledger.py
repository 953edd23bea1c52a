"""The ledger of counters, over several runs of haproxy."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import astuple, evolve
from twisted.trial.unittest import SynchronousTestCase

from amphora.ledger import REPEATS, Ledger, statuses
from amphora.statistics import Snapshot, parse, snapshot
from octavia_tx.wire.heartbeat import Counters
from tests.amphora.stat import frontend, server, table

LB = "dddddddd-dddd-4ddd-8ddd-dddddddddddd"


def runs(*workers: tuple[str, int], member: Sequence[object] = ("UP", "L7OK")) -> Snapshot:
    """The first accepts connections, the others finish theirs; each with its total of connections."""
    status, check = member
    told = [
        (epoch, i == 0, parse(table(frontend(stot=total, scur=1), server(str(status), check_status=check))))
        for i, (epoch, total) in enumerate(workers)
    ]
    return snapshot(LB, told)


class Counting(SynchronousTestCase):
    def setUp(self) -> None:
        self.ledger = Ledger()

    def counters(self) -> dict[str, Counters]:
        listeners = self.ledger.report().listeners
        return {c.epoch: c for r in listeners for c in r.counters}

    def test_each_run_of_haproxy_counts_for_itself(self) -> None:
        self.ledger.record(LB, runs(("new", 1), ("old", 7)))
        self.assertEqual({e: c.total_connections for e, c in self.counters().items()}, {"new": 1, "old": 7})

    def test_a_run_that_ended_is_told_a_few_times_more_without_connections(self) -> None:
        self.ledger.record(LB, runs(("old", 7)))
        self.ledger.record(LB, runs(("new", 1)))
        for _ in range(REPEATS):
            self.assertEqual(self.counters()["old"], Counters("old", 0, 0, 0, 0, 7))
            self.ledger.reported(self.ledger.report())
        self.assertEqual(set(self.counters()), {"new"})

    def test_a_run_that_was_killed_is_told_when_the_next_one_serves(self) -> None:
        self.ledger.record(LB, runs(("old", 7)))
        self.ledger.record(LB, None)
        for _ in range(2 * REPEATS):
            self.assertEqual(self.ledger.report().load_balancers, ())
            self.ledger.reported(self.ledger.report())
        self.ledger.record(LB, runs(("new", 0)))
        self.assertEqual(self.counters()["old"].total_connections, 7)

    def test_what_was_forgotten_is_not_told(self) -> None:
        self.ledger.record(LB, runs(("old", 7)))
        self.ledger.record(LB, runs(("new", 1)))
        self.ledger.forget(LB)
        report = self.ledger.report()
        self.assertEqual((report.listeners, report.members, report.load_balancers), ((), (), ()))


class Keeping(SynchronousTestCase):
    """Last words, until somebody has heard them."""

    def setUp(self) -> None:
        self.ledger = Ledger()
        self.ledger.record(LB, runs(("old", 7)))

    def totals(self) -> dict[str, int]:
        """What was ever counted, of all runs that aren't settled."""
        return {epoch: c.total_connections for (_, epoch), c in self.ledger.kept(LB).items()}

    def settle(self) -> None:
        for run in self.ledger.finished():
            self.ledger.settled(run)

    def test_they_are_there_until_they_are_settled(self) -> None:
        self.ledger.record(LB, runs(("new", 1)))
        self.assertEqual([c.total_connections for c in self.ledger.finished().values()], [7])
        self.ledger.record(LB, runs(("new", 2)))
        self.assertEqual(self.totals(), {"new": 2, "old": 7})
        self.settle()
        self.ledger.record(LB, runs(("new", 3)))
        self.assertEqual(self.totals(), {"new": 3})

    def test_those_of_a_worker_that_is_over_count_before_it_has_ended_and_once(self) -> None:
        over = evolve(runs(("new", 1), ("old", 8)), over=frozenset({"old"}))
        self.ledger.record(LB, over)
        self.assertEqual([c.total_connections for c in self.ledger.finished().values()], [8])
        ((_, *counted),) = [astuple(r)[1:] for r in self.ledger.report().listeners]
        self.assertEqual(sorted(c[-1] for c in counted[0]), [1, 8])
        self.settle()
        self.ledger.record(LB, over)
        self.ledger.record(LB, runs(("new", 1)))
        self.assertEqual(self.totals(), {"new": 1})

    def test_the_next_agent_goes_on_with_them(self) -> None:
        self.ledger.record(LB, runs(("new", 1), ("draining", 5)))
        kept = self.ledger.kept(LB)
        self.ledger = Ledger()
        self.ledger.restore(LB, [(listener_id, c) for (listener_id, _), c in kept.items()])
        self.assertEqual(self.ledger.finished(), {})
        self.ledger.record(LB, runs(("new", 2)))
        self.assertEqual(self.totals(), {"new": 2, "old": 7, "draining": 5})
        self.assertEqual(len(self.ledger.finished()), 2)

    def test_runs_that_counted_nothing_leave_nothing(self) -> None:
        for epoch in ("1", "2", "3"):
            self.ledger.record(LB, runs((epoch, 0)))
        self.assertEqual(self.totals(), {"3": 0, "old": 7})

    def test_a_listener_that_was_taken_away_leaves_nothing(self) -> None:
        other = table(frontend(pxname="99999999-9999-4999-8999-999999999999"))
        self.ledger.record(LB, snapshot(LB, [("new", True, parse(other))]))
        self.assertEqual(set(self.totals()), {"new"})

    def test_there_are_never_very_many(self) -> None:
        for n in range(3000):
            self.ledger.record(LB, runs((str(n), 1)))
        self.assertEqual(len(self.ledger.finished()), 1000)


class Statuses(SynchronousTestCase):
    def setUp(self) -> None:
        self.ledger = Ledger()

    def words(self) -> list[str]:
        return [m.status for m in self.ledger.report().members]

    def test_a_member_that_a_new_worker_has_not_checked_is_what_it_was(self) -> None:
        self.ledger.record(LB, runs(("old", 0), member=("DOWN", "L4CON")))
        before = statuses(self.ledger.report())
        self.ledger.record(LB, runs(("new", 0), member=("UP 1/3", "INI")))
        self.assertEqual(self.words(), ["DOWN"])
        self.assertEqual(statuses(self.ledger.report()), before)

    def test_a_new_member_is_not_mentioned_before_its_first_check(self) -> None:
        self.ledger.record(LB, runs(("new", 0), member=("UP 1/3", "INI")))
        self.assertEqual(self.words(), [])

    def test_a_member_that_was_taken_away_is_forgotten(self) -> None:
        self.ledger.record(LB, runs(("1", 0), member=("DOWN", "L4CON")))
        self.ledger.record(LB, snapshot(LB, [("2", True, parse(table(frontend())))]))
        self.ledger.record(LB, runs(("3", 0), member=("UP 1/3", "INI")))
        self.assertEqual(self.words(), [])

    def test_counters_are_no_change_of_status(self) -> None:
        self.ledger.record(LB, runs(("1", 0)))
        before = statuses(self.ledger.report())
        self.ledger.record(LB, runs(("1", 5)))
        self.assertEqual(statuses(self.ledger.report()), before)
        self.ledger.record(LB, runs(("1", 5), member=("DOWN", "L4CON")))
        self.assertNotEqual(statuses(self.ledger.report()), before)
