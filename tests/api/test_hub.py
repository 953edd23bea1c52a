"""Readers of events: at the newest, behind it, slow, and gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api.hub import CHANNEL, Hub, Reader
from octavia_tx.db.events import ALL, Batch, Filter, Start
from octavia_tx.errors import DatabaseUnavailable
from octavia_tx.model.event import BEGINNING, Event, Place

NOW = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)


class Told:
    """An outlet that remembers; C{room} writes before it is full."""

    def __init__(self, room: int = 1000) -> None:
        self.room = room
        self.frames: list[bytes] = []
        self.closed = False
        self.feed: Reader | None = None

    @property
    def writable(self) -> bool:
        return len(self.frames) < self.room and not self.closed

    def write(self, data: bytes) -> None:
        self.frames.append(data)

    def close(self) -> None:
        self.closed = True
        assert self.feed is not None
        self.feed.end()

    def ids(self) -> list[str]:
        """Of the events that were told."""
        return [f.split(b"\n")[0].decode().removeprefix("id: ") for f in self.frames if b"event: status" in f]


class Memory(Hub):
    """A hub over a list in place of a database. C{horizon}: transactions from it on aren't settled."""

    BATCH = 3

    def __init__(self, clock: Clock) -> None:
        self.events: list[Event] = []
        self.horizon = 1000
        self.broken = False
        self.reads: list[Place] = []
        self.held: Deferred[None] | None = None
        self.channels: list[str] = []
        super().__init__(clock, cast(Any, self))

    async def listen(self, channel: str, heard: Any) -> None:
        self.channels.append(channel)

    def settled(self) -> list[Event]:
        return sorted((e for e in self.events if e.place.transaction < self.horizon), key=lambda e: e.place)

    async def start(self, seen: Place | None) -> Start:
        if self.broken:
            raise DatabaseUnavailable("It is gone.")
        edge = max((e.place for e in self.settled()), default=BEGINNING)
        early = frozenset(e.place.transaction for e in self.events) - {e.place.transaction for e in self.settled()}
        return Start(place=edge, early=early) if seen is None else Start(place=seen)

    async def read(self, place: Place, wanted: Filter) -> Batch:
        self.reads.append(place)
        if self.held is not None:
            await self.held
        if self.broken:
            raise DatabaseUnavailable("It is gone.")
        settled = self.settled()
        found = [e for e in settled if e.place > place and wanted.admits(e)][: self.BATCH]
        whole = len(found) < self.BATCH
        edge = settled[-1].place if settled else BEGINNING
        upto = max(place, edge) if whole else found[-1].place
        unsettled = len(settled) < len(self.events)
        return Batch(after=place, upto=upto, events=tuple(found), whole=whole, unsettled=unsettled)


class HubTests(SynchronousTestCase):
    """A hub with a list of events."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.hub = Memory(self.clock)
        self.numbers: Iterator[int] = count(1)

    def happens(self, transaction: int, **fields: Any) -> None:
        """One more event, of which nobody is notified."""
        place = Place(transaction, next(self.numbers))
        self.hub.events.append(Event(**{"place": place, "at": NOW, "kind": "pool", "object_id": "o", **fields}))

    def notify(self) -> None:
        self.hub._heard("")

    def reads(self, start: Place | None = None, wanted: Filter = ALL, room: int = 1000) -> Told:
        """A new reader, from now on or from a place on."""
        outlet = Told(room)
        begun = self.successResultOf(Deferred.fromCoroutine(self.hub.start(start)))
        outlet.feed = Reader(self.hub, begun, wanted)
        outlet.feed.begin(outlet)
        return outlet

    def test_who_comes_is_told_what_happens_from_then_on(self) -> None:
        self.happens(5)
        outlet = self.reads()
        self.assertEqual(outlet.frames, [b"id: 5-1\n\n"])
        self.happens(6, error="a\nb")
        self.notify()
        frame = outlet.frames[1].decode()
        self.assertEqual(
            frame,
            'id: 6-2\nevent: status\ndata: {"id":"6-2","at":"2026-01-02T03:04:05.678","kind":"pool","object_id":"o",'
            '"load_balancer_id":null,"project_id":null,"provisioning_status":null,"operating_status":null,'
            '"error":"a\\nb"}\n\n',
        )

    def test_what_nobody_notified_of_is_found_within_a_second(self) -> None:
        outlet = self.reads()
        self.happens(1)
        self.clock.advance(1)
        self.assertEqual(outlet.ids(), ["1-1"])

    def test_what_is_not_settled_waits_for_the_older_transaction(self) -> None:
        outlet = self.reads()
        self.hub.horizon = 7
        self.happens(8)
        self.notify()
        self.assertEqual(outlet.ids(), [])
        self.happens(7)
        self.hub.horizon = 9
        for _ in range(3):
            self.clock.advance(0.05)  # sooner than the next poll
        self.assertEqual(outlet.ids(), ["7-2", "8-1"])

    def test_looks_for_what_is_not_settled_become_rarer(self) -> None:
        self.reads()
        self.hub.horizon = 7
        self.happens(8)
        self.notify()
        before = len(self.hub.reads)
        self.clock.pump([0.01] * 1000)
        self.assertLess(len(self.hub.reads) - before, 30)

    def test_what_had_happened_before_but_was_not_settled_is_not_told(self) -> None:
        self.hub.horizon = 7
        self.happens(8)
        outlet = self.reads()
        self.happens(7)
        self.hub.horizon = 1000
        self.notify()
        self.assertEqual(outlet.ids(), ["7-2"])

    def test_who_comes_back_is_told_all_that_it_missed(self) -> None:
        for transaction in range(1, 11):
            self.happens(transaction)
        outlet = self.reads(Place(2, 2))
        self.assertEqual(outlet.ids(), [f"{n}-{n}" for n in range(3, 11)])
        self.happens(11)
        self.notify()
        self.assertEqual(outlet.ids()[-1], "11-11")

    def test_what_happens_while_one_catches_up_is_told_once(self) -> None:
        for transaction in range(1, 8):
            self.happens(transaction)
        self.reads()
        self.hub.held = Deferred()
        outlet = self.reads(BEGINNING)
        self.happens(8)
        self.notify()
        held, self.hub.held = self.hub.held, None
        held.callback(None)
        self.notify()
        self.assertEqual(outlet.ids(), [f"{n}-{n}" for n in range(1, 9)])

    def test_each_is_told_what_it_asked_for(self) -> None:
        every = self.reads()
        mine = self.reads(wanted=Filter(project_id="p"))
        amphorae = self.reads(wanted=Filter(kinds=frozenset({"amphora"}), load_balancer_id="l"))
        self.happens(1, project_id="p")
        self.happens(2, project_id="q")
        self.happens(3, kind="amphora", load_balancer_id="l")
        self.happens(4, kind="amphora", load_balancer_id="m")
        self.notify()
        self.assertEqual(every.ids(), ["1-1", "2-2", "3-3", "4-4"])
        self.assertEqual((mine.ids(), amphorae.ids()), (["1-1"], ["3-3"]))

    def test_one_look_serves_all_that_are_up_to_date(self) -> None:
        outlets = [self.reads() for _ in range(10)]
        self.hub.reads.clear()
        self.happens(1)
        self.notify()
        self.assertEqual(len(self.hub.reads), 1)
        self.assertTrue(all(outlet.ids() == ["1-1"] for outlet in outlets))

    def test_who_reads_slowly_makes_nothing_be_kept_and_misses_nothing(self) -> None:
        slow, quick = self.reads(room=3), self.reads()
        for transaction in range(1, 31):
            self.happens(transaction)
            self.notify()
        self.assertEqual((len(slow.frames), len(quick.ids())), (3, 30))
        for room in (5, 6, 1000):
            slow.room = room
            assert slow.feed is not None
            slow.feed.go_on()
            self.assertLessEqual(len(slow.frames), room)
        self.assertEqual(slow.ids(), quick.ids())
        self.happens(31)
        self.notify()
        self.assertEqual(slow.ids()[-1], "31-31")

    def test_signs_of_life_say_how_far_one_is(self) -> None:
        outlet = self.reads(wanted=Filter(project_id="p"))
        self.happens(1)
        self.notify()
        self.clock.pump([1.0] * 30)
        self.assertEqual(outlet.frames, [b"id: 0-0\n\n", *[b": alive\nid: 1-1\n\n"] * 2])

    def test_a_gap_is_told_first(self) -> None:
        outlet = Told()
        outlet.feed = Reader(self.hub, Start(place=Place(3, 1), gap=True), ALL)
        outlet.feed.begin(outlet)
        self.assertTrue(outlet.frames[0].startswith(b'event: gap\ndata: {"after":"3-1"'), outlet.frames)

    def test_who_goes_leaves_nothing(self) -> None:
        outlets = [self.reads(), self.reads()]
        self.hub.held = Deferred()
        behind = self.reads(Place(0, 0), room=1)
        for outlet in (*outlets, behind):
            outlet.closed = True
            assert outlet.feed is not None
            outlet.feed.end()
        self.hub.held.callback(None)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        before = len(self.hub.reads)
        self.notify()
        self.assertEqual(len(self.hub.reads), before)

    def test_it_listens_once(self) -> None:
        for _ in range(3):
            outlet = self.reads()
            assert outlet.feed is not None
            outlet.close()
        self.assertEqual(self.hub.channels, [CHANNEL])

    def test_a_database_that_goes_and_comes_back_costs_no_event(self) -> None:
        outlet = self.reads()
        self.hub.broken = True
        self.happens(1)
        self.notify()
        self.clock.pump([1.0] * 3)
        self.hub.broken = False
        self.happens(2)
        self.clock.advance(1)
        self.assertEqual(outlet.ids(), ["1-1", "2-2"])

    def test_a_reader_that_is_behind_outlives_that_too(self) -> None:
        for transaction in range(1, 5):
            self.happens(transaction)
        self.reads()
        self.hub.broken = True
        outlet = Told()
        outlet.feed = Reader(self.hub, Start(place=BEGINNING), ALL)
        outlet.feed.begin(outlet)
        self.assertEqual(outlet.ids(), [])
        self.hub.broken = False
        self.clock.advance(1)
        self.assertEqual(outlet.ids(), ["1-1", "2-2", "3-3", "4-4"])

    def test_the_end_ends_all_and_lets_none_begin(self) -> None:
        outlets = [self.reads(), self.reads()]
        self.hub.close()
        late = Told()
        late.feed = Reader(self.hub, Start(place=BEGINNING), ALL)
        late.feed.begin(late)
        self.assertTrue(all(outlet.closed for outlet in (*outlets, late)))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class PlaceTests(SynchronousTestCase):
    """Places as clients bring them back."""

    def test_a_place_is_read_as_it_is_written(self) -> None:
        for place in (BEGINNING, Place(745, 12), Place(2**64 - 1, 2**63 - 1)):
            self.assertEqual(Place.read(str(place)), place)

    def test_anything_else_is_none(self) -> None:
        for text in ("", "1", "1-", "-1", "1-2-3", "a-b", "1 - 2", "٣-1", f"{2**64}-1", f"1-{2**63}", "1-2\n"):
            self.assertIsNone(Place.read(text), text)

    def test_they_are_ordered_as_transactions_are(self) -> None:
        self.assertLess(Place(9, 100), Place(10, 1))
