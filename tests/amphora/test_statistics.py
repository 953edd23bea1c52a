"""What haproxy counts, read from its CSV."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from amphora.statistics import Snapshot, is_over, parse, snapshot
from octavia_tx.wire.heartbeat import Counters, MemberReport
from tests.amphora.stat import LISTENER, MEMBER, OTHER_LISTENER, POOL, frontend, server, table


def seen(*rows: dict[str, object], accepts: bool = True) -> Snapshot:
    return snapshot("lb", [("1", accepts, parse(table(*rows)))])


class Frontends(SynchronousTestCase):
    def test_counters_are_found_by_their_columns_names(self) -> None:
        found = seen(frontend(scur=1, bin=2, bout=3, ereq=4, stot=5))
        self.assertEqual(found.counters, {LISTENER: (Counters("1", 1, 2, 3, 4, 5),)})
        self.assertEqual(found.statuses, {LISTENER: "OPEN"})

    def test_a_listener_at_its_limit_is_full(self) -> None:
        self.assertEqual(seen(frontend(scur=10, slim=10)).statuses, {LISTENER: "FULL"})
        self.assertEqual(seen(frontend(scur=9, slim=10)).statuses, {LISTENER: "OPEN"})

    def test_a_worker_is_over_when_it_accepts_nothing_and_has_nothing(self) -> None:
        for rows, over in (
            ((frontend(status="STOP"), frontend(OTHER_LISTENER, status="STOP")), True),
            ((frontend(status="STOP"), frontend(OTHER_LISTENER, status="STOP", scur=1)), False),
            ((frontend(status="STOP"), frontend(OTHER_LISTENER)), False),
        ):
            self.assertEqual(is_over(parse(table(*rows, server("UP")))), over, rows)

    def test_an_old_worker_counts_but_has_no_say_on_statuses(self) -> None:
        found = snapshot(
            "lb",
            [
                ("new", True, parse(table(frontend(stot=1), server("UP")))),
                ("old", False, parse(table(frontend(stot=9, status="STOP"), server("DOWN")))),
            ],
        )
        self.assertEqual([c.epoch for c in found.counters[LISTENER]], ["new", "old"])
        self.assertEqual(found.statuses, {LISTENER: "OPEN"})
        self.assertEqual(found.members, (MemberReport(POOL, MEMBER, "UP"),))

    def test_frontends_that_are_no_listeners_are_left_out(self) -> None:
        self.assertEqual(seen(frontend("prometheus"), frontend("GLOBAL")).counters, {})

    def test_anything_but_statistics_has_no_rows(self) -> None:
        for text in ("", "Can't find the target PID matching the prefix '@!1'\n", "Unknown command"):
            self.assertEqual(parse(text), ())


class Members(SynchronousTestCase):
    def words(self, *rows: dict[str, object]) -> list[str]:
        return [m.status for m in seen(*rows).members]

    def test_a_members_status_is_one_word(self) -> None:
        for said, word in {
            "UP": "UP", "UP 2/3": "UP", "DOWN": "DOWN", "DOWN 1/2": "DOWN", "MAINT": "MAINT", "DRAIN": "DRAIN",
            "MAINT (via x/y)": "MAINT", "no check": "no check", "NOLB": None,
        }.items():  # fmt: skip
            self.assertEqual(self.words(server(said)), [word] if word else [], said)

    def test_a_member_without_weight_drains(self) -> None:
        self.assertEqual(self.words(server("UP", weight=0)), ["DRAIN"])
        self.assertEqual(self.words(server("no check", weight=0)), ["DRAIN"])
        self.assertEqual(self.words(server("DOWN", weight=0)), ["DOWN"])

    def test_before_its_first_check_nothing_is_known_of_a_member(self) -> None:
        for status in ("INI", "* INI"):
            found = seen(server("UP 1/3", check_status=status))
            self.assertEqual((found.members, found.unchecked), ((), ((POOL, MEMBER),)))

    def test_a_pool_of_two_listeners_has_each_member_once(self) -> None:
        for first, second in (("UP", "DOWN"), ("DOWN", "UP")):
            found = seen(server(first), server(second, OTHER_LISTENER))
            self.assertEqual(found.members, (MemberReport(POOL, MEMBER, "DOWN"),))
            self.assertEqual(found.pool_listeners, {POOL: LISTENER})

    def test_a_pool_without_members_is_known_too(self) -> None:
        found = seen({"pxname": f"{POOL}:{LISTENER}", "svname": "BACKEND", "status": "UP"})
        self.assertEqual((found.members, found.unchecked, found.pool_listeners), ((), (), {POOL: LISTENER}))


class AnyText(SynchronousTestCase):
    @given(st.text())
    def test_garbage_is_never_an_error(self, text: str) -> None:
        parse(text)
