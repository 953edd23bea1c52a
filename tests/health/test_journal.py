from __future__ import annotations

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.health.journal import Journal, News
from octavia_tx.health.receiver import Accepted, Origin
from octavia_tx.wire.envelope import REPORTS, Header, Kind
from octavia_tx.wire.heartbeat import Counters, ListenerReport, MemberReport, Report

AMPHORA, LISTENER, POOL, MEMBER, OTHER = (f"{n:08x}-1111-4111-8111-111111111111" for n in range(5))


def said(
    sequence: int,
    word: str = "UP",
    status: str = "OPEN",
    bytes_in: int = 0,
    active: int = 0,
    epoch: str = "1",
    differences: bool = False,
    kind: Kind = Kind.HEARTBEAT,
) -> Accepted:
    counters = Counters(epoch, active, bytes_in, 0, 0, 0)
    report = Report(
        (ListenerReport(LISTENER, status, (counters,)),), (MemberReport(POOL, MEMBER, word),), (f"lb-{sequence}",)
    )
    origin = Origin(Header(AMPHORA, AMPHORA, sequence, 0.0, kind), ("192.0.2.1", 1))
    return Accepted(AMPHORA, float(sequence), (0.0, sequence), report, differences, origin)


def news(*accepted: Accepted) -> News:
    result = News()
    for each in accepted:
        result.add(each)
    return result


def traffic(given: News) -> list[tuple[str, int, int]]:
    return [(epoch, c.active_connections, c.bytes_in) for (_, epoch), (_, c) in sorted(given.counters.items())]


reports = st.lists(
    st.builds(
        said,
        st.integers(0, 1000),
        st.sampled_from(["UP", "DOWN"]),
        st.sampled_from(["OPEN", "FULL"]),
        st.integers(0, 100),
        st.integers(0, 100),
        st.sampled_from(["1", "2"]),
        st.booleans(),
        st.sampled_from(sorted(REPORTS)),
    ),
    unique_by=lambda accepted: accepted.order,
    max_size=12,
)


class Coalescing(SynchronousTestCase):
    """L{News}."""

    def test_the_newest_word_wins_in_whatever_order_they_come(self) -> None:
        for order in ((1, 2), (2, 1)):
            got = news(*(said(n, "UP" if n == 1 else "DOWN", "OPEN" if n == 1 else "FULL") for n in order))
            self.assertEqual(got.members, {MEMBER: ((0.0, 2), "DOWN")})
            self.assertEqual(got.listeners, {LISTENER: ((0.0, 2), "FULL")})
            self.assertEqual(got.at, 2.0)

    def test_the_largest_counter_wins_and_the_newest_gauge(self) -> None:
        for order in ((1, 2), (2, 1)):
            got = news(*(said(n, bytes_in=10 * n, active=5 - n) for n in order))
            self.assertEqual(traffic(got), [("1", 3, 20)])

    def test_runs_of_haproxy_are_kept_apart(self) -> None:
        got = news(said(1, bytes_in=10, epoch="1"), said(2, bytes_in=4, epoch="2"))
        self.assertEqual(traffic(got), [("1", 0, 10), ("2", 0, 4)])

    def test_differences_are_added_up(self) -> None:
        got = news(said(1, bytes_in=10, active=7, differences=True), said(2, bytes_in=4, active=1, differences=True))
        self.assertEqual(got.counters, {})
        (sum_,) = got.differences.values()
        self.assertEqual((sum_.bytes_in, sum_.active_connections), (14, 1))

    def test_an_amphora_cannot_fill_the_memory(self) -> None:
        got = News()
        for first in range(0, 30_000, 1000):
            members = tuple(MemberReport(POOL, f"{first + n}", "UP") for n in range(1000))
            got.add(evolve(said(1), report=Report(members=members)))
        self.assertEqual(len(got.members), 20_000)

    def test_alerts_wait_for_their_acknowledgement_and_only_the_newest_heartbeat_for_an_answer(self) -> None:
        kinds = (Kind.ALERT, Kind.HEARTBEAT, Kind.ALERT, Kind.HEARTBEAT)
        got = news(*(said(n, kind=kind) for n, kind in enumerate(kinds)))
        self.assertEqual([origin.header.sequence for origin in got.alerts], [0, 2])
        assert got.heartbeat is not None
        self.assertEqual(got.heartbeat.header.sequence, 3)
        for n in range(1000):
            got.add(said(n, kind=Kind.ALERT))
        self.assertEqual([origin.header.sequence for origin in got.alerts], list(range(744, 1000)))

    @given(reports, st.data())
    def test_absorbing_gives_what_adding_one_by_one_gives(self, accepted: list[Accepted], data: st.DataObject) -> None:
        middle = data.draw(st.integers(0, len(accepted)))
        halves = news(*accepted[:middle]), news(*accepted[middle:])
        halves[0].absorb(halves[1])
        self.assertEqual(halves[0], news(*accepted))


class Keeping(SynchronousTestCase):
    """L{Journal}."""

    def setUp(self) -> None:
        self.journal = Journal()

    def test_what_is_taken_is_out(self) -> None:
        self.journal.add(said(1))
        self.assertEqual(self.journal.take(10), {AMPHORA: news(said(1))})
        self.assertEqual(self.journal.take(10), {})

    def test_no_more_is_taken_than_asked_for(self) -> None:
        for amphora_id in (AMPHORA, OTHER, MEMBER):
            self.journal.add(evolve(said(1), amphora_id=amphora_id))
        taken = self.journal.take(2)
        self.assertEqual((len(taken), len(self.journal)), (2, 1))
        self.assertEqual({*taken, *self.journal.take(2)}, {AMPHORA, OTHER, MEMBER})

    def test_what_is_put_back_is_merged_with_what_came_meanwhile(self) -> None:
        self.journal.add(said(1, "UP", bytes_in=10))
        taken = self.journal.take(10)
        self.journal.add(said(2, "DOWN", bytes_in=5))
        self.journal.put_back(taken)
        self.assertEqual(
            self.journal.take(10), {AMPHORA: news(said(1, "UP", bytes_in=10), said(2, "DOWN", bytes_in=5))}
        )
