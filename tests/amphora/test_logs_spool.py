"""The spool of access logs: what is kept, what is dropped, and what targets are told of it."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from amphora.logs.notes import note, stands
from amphora.logs.places import Place
from amphora.logs.spool import Limits, Spool


def pack(spool: Spool) -> None:
    for _ in spool.packing():
        pass


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 1000.0
        self.directory = Path(self.mktemp())
        self.directory.parent.mkdir(exist_ok=True)

    def spool(self, **limits: Any) -> Spool:
        given: dict[str, Any] = {"spool": 1 << 20, "rotate_bytes": 1 << 16, "rotate_after": 60.0}
        made = Spool(self.directory, Limits(**(given | limits)), lambda: self.now)
        self.addCleanup(made.close)
        return made

    def read(self, place: Place) -> list[bytes]:
        """All that a place has before it, taken as sent."""
        found: list[bytes] = []
        while (batch := place.read(100)) is not None:
            found += batch.lines
            place.passed(batch)
        return found


class Keeping(Case):
    def test_lines_are_read_in_order_while_they_come(self) -> None:
        spool = self.spool()
        place = spool.places.keep(["a"])["a"]
        self.assertIsNone(place.read(100))
        spool.append([b"1\n", b"2\n"])
        self.assertEqual(self.read(place), [b"1\n", b"2\n"])
        spool.append([b"3\n"])
        self.assertEqual(self.read(place), [b"3\n"])

    def test_what_is_not_known_to_have_arrived_is_read_again(self) -> None:
        spool = self.spool()
        place = spool.places.keep(["a"])["a"]
        spool.append([b"1\n"])
        first = place.read(100)
        self.assertEqual(place.read(100), first)

    def test_a_file_is_closed_when_it_is_large(self) -> None:
        spool = self.spool(rotate_bytes=10)
        for _ in range(3):
            spool.append([b"12345\n"])
        self.assertEqual([(s.lines, s.sealed) for s in spool.segments], [(1, True), (1, True), (1, False)])

    def test_a_file_is_closed_when_it_is_old(self) -> None:
        spool = self.spool(rotate_after=60.0)
        spool.append([b"1\n"])
        self.now += 59
        spool.tend()
        self.assertFalse(spool.segments[0].sealed)
        self.now += 1
        spool.tend()
        self.assertTrue(spool.segments[0].sealed)

    def test_a_closed_file_is_compressed_and_goes_once_all_targets_have_it(self) -> None:
        spool = self.spool()
        places = spool.places.keep(["a", "b"])
        spool.append([b"line\n"] * 1000)
        size = spool.size
        spool.seal()
        self.assertIsNone(places["a"].whole())
        pack(spool)
        self.assertLess(spool.size, size / 10)
        segment = places["a"].whole()
        assert segment is not None
        self.assertEqual(gzip.decompress(segment.path.read_bytes()), b"line\n" * 1000)
        places["a"].passed_whole(segment)
        spool.tend()
        self.assertTrue(segment.path.exists())
        self.assertEqual(self.read(places["b"]), [b"line\n"] * 1000)
        spool.tend()
        self.assertFalse(segment.path.exists())
        self.assertEqual((places["a"].left(), places["b"].left()), (0, 0))

    def test_a_reader_is_not_disturbed_by_compression(self) -> None:
        spool = self.spool()
        place = spool.places.keep(["a"])["a"]
        spool.append([b"%03d\n" % number for number in range(100)])
        batch = place.read(40)
        assert batch is not None
        place.passed(batch)
        spool.seal()
        pack(spool)
        place.close()
        self.assertEqual([*batch.lines, *self.read(place)], [b"%03d\n" % number for number in range(100)])

    def test_lines_have_about_the_time_at_which_they_came(self) -> None:
        spool = self.spool()
        place = spool.places.keep(["a"])["a"]
        for _ in range(5):
            spool.append([b"1\n"])
            self.now += 10
        batch = place.read(100)
        assert batch is not None
        self.assertEqual((batch.times[-1], batch.times[0]), (1_040_000, 1_008_000))


class Dropping(Case):
    def test_the_oldest_file_goes_when_there_is_no_room_and_who_lacks_it_is_told(self) -> None:
        spool = self.spool(spool=40, rotate_bytes=10)
        places = spool.places.keep(["quick", "slow"])
        for number in range(6):
            spool.append([b"12345678%d\n" % number])
            self.read(places["quick"])
        self.assertLessEqual(spool.size, 40)
        self.assertEqual((places["quick"].dropped, places["slow"].dropped), (0, 2))
        self.assertEqual(len(self.read(places["slow"])), 4)
        places["slow"].told(2)
        self.assertEqual((places["slow"].dropped, places["slow"].total), (0, 2))

    def test_lines_that_arrived_although_they_were_dropped_meanwhile_are_not_missing(self) -> None:
        spool = self.spool(spool=40, rotate_bytes=10)
        place = spool.places.keep(["a"])["a"]
        spool.append([b"123456780\n"])
        batch = place.read(100)
        assert batch is not None
        for _ in range(5):
            spool.append([b"123456789\n"])
        self.assertEqual(place.dropped, 2)
        place.passed(batch)
        self.assertEqual(place.dropped, 1)

    def test_a_batch_larger_than_the_spool_is_lost_and_noted(self) -> None:
        spool = self.spool(spool=40, rotate_bytes=10)
        place = spool.places.keep(["a"])["a"]
        spool.append([b"x" * 50 + b"\n"] * 3)
        spool.append([b"1\n"])
        self.assertEqual(self.read(place), [note(3), b"1\n"])
        self.assertEqual(spool.lost, 3)

    def test_a_file_that_nobody_can_read_any_more_is_missing(self) -> None:
        spool = self.spool()
        place = spool.places.keep(["a"])["a"]
        for damage in (lambda p: p.unlink(), lambda p: p.write_bytes(b"fish"), lambda p: p.write_bytes(b"")):
            spool.seal()
            spool.append([b"1\n", b"2\n"])
            spool.seal()
            pack(spool)
            damage(spool.segments[-1].path)
            spool.append([b"3\n"])
            self.assertEqual((self.read(place), place.dropped), ([b"3\n"], 2))
            place.told(2)
            spool.tend()

    def test_what_haproxy_lost_is_noted_at_its_place(self) -> None:
        spool = self.spool()
        place = spool.places.keep(["a"])["a"]
        spool.append([b"1\n"])
        spool.lose(7)
        spool.append([b"2\n"])
        self.assertEqual(self.read(place), [b"1\n", b"# 7 lines were dropped here\n", b"2\n"])


class FullDisk(Case):
    """On a file system that is full."""

    def setUp(self) -> None:
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("needs root, to mount a small file system")
        self.mount = Path(tempfile.mkdtemp(prefix="otx-full-"))
        self.addCleanup(shutil.rmtree, self.mount, True)
        if os.system(f"mount -t tmpfs -o size=64k none {self.mount} 2>/dev/null") != 0:
            self.skipTest("file systems can't be mounted here")
        self.addCleanup(os.system, f"umount -l {self.mount}")
        self.directory = self.mount / "spool"

    def test_lines_are_dropped_and_counted_and_come_again_when_there_is_room(self) -> None:
        spool = self.spool(rotate_bytes=1 << 14)
        place = spool.places.keep(["a"])["a"]
        line = b"x" * 99 + b"\n"
        hog = self.mount / "hog"
        hog.write_bytes(b"x" * 20_000)
        count = 0
        for _ in range(20):
            spool.append([line] * 50)
            count += 50
        hog.unlink()
        spool.append([line])
        found = self.read(place)
        notes = [int(text.split()[1]) for text in found if text.startswith(b"#")]
        self.assertEqual(len(found) - len(notes) + sum(notes) + place.dropped, count + 1)
        self.assertTrue(all(text == line for text in found if not text.startswith(b"#")))

    def test_a_file_that_can_not_be_compressed_is_kept(self) -> None:
        spool = self.spool(rotate_bytes=1 << 15)
        place = spool.places.keep(["a"])["a"]
        spool.append([os.urandom(15_000).hex().encode() + b"\n"])
        spool.seal()
        hog = self.mount / "hog"
        hog.write_bytes(b"x" * 28_000)
        self.assertRaises(OSError, pack, spool)
        self.assertEqual([path.suffix for path in self.directory.iterdir()], [".log"])
        hog.unlink()
        pack(spool)
        self.assertEqual(len(self.read(place)), 1)


class Restarting(Case):
    def test_the_next_agent_goes_on_where_this_one_was(self) -> None:
        spool = self.spool(rotate_bytes=20)
        place = spool.places.keep(["a"])["a"]
        spool.append([b"1234567\n", b"2234567\n"])
        spool.append([b"3234567\n", b"4234567\n"])
        batch = place.read(1)
        assert batch is not None
        place.passed(batch)
        place.dropped = place.total = 5
        pack(spool)
        spool.close()
        again = self.spool(rotate_bytes=20)
        place = again.places.keep(["a"])["a"]
        self.assertEqual((place.dropped, place.total), (5, 5))
        again.append([b"5\n"])
        self.assertEqual(self.read(place), [b"2234567\n", b"3234567\n", b"4234567\n", b"5\n"])
        self.assertEqual([s.number for s in again.segments], [1, 2])

    def test_a_file_that_a_target_has_left_behind_is_not_gone_on_with(self) -> None:
        spool = self.spool()
        place = spool.places.keep(["a"])["a"]
        spool.append([b"1\n"])
        spool.seal()
        self.assertEqual(self.read(place), [b"1\n"])
        spool.close()
        again = self.spool()
        again.append([b"2\n"])
        self.assertEqual(self.read(again.places.keep(["a"])["a"]), [b"2\n"])

    def test_what_was_dropped_is_known_to_the_next_agent_though_this_one_dies(self) -> None:
        spool = self.spool(spool=100, rotate_bytes=20)
        spool.places.keep(["a"])
        spool.tend()
        for number in range(20):
            spool.append([b"%07d\n" % number])
        again = self.spool(spool=100, rotate_bytes=20)  # nobody closed it
        place = again.places.keep(["a"])["a"]
        self.assertEqual(len(self.read(place)) + place.dropped, 20)

    def test_a_line_that_was_written_in_part_is_taken_away(self) -> None:
        spool = self.spool()
        spool.append([b"1\n", b"2\n"])
        spool.close()
        (path,) = self.directory.glob("*.log")
        path.write_bytes(b"1\n2\n3")
        again = self.spool()
        again.append([b"4\n"])
        self.assertEqual(self.read(again.places.keep(["a"])["a"]), [b"1\n", b"2\n", b"4\n"])

    def test_a_file_whose_maker_died_after_its_compression_is_there_once(self) -> None:
        spool = self.spool()
        spool.append([b"1\n"])
        spool.seal()
        plain = spool.segments[0].path
        pack(spool)
        plain.write_bytes(b"1\n")
        (self.directory / "00000001-1-1-1.log.gz.tmp").write_bytes(b"half")
        spool.close()
        again = self.spool()
        self.assertEqual([s.packed for s in again.segments], [True])
        self.assertEqual(self.read(again.places.keep(["a"])["a"]), [b"1\n"])
        self.assertEqual(len(list(self.directory.glob("*.log*"))), 1)

    def test_a_number_is_never_used_again(self) -> None:
        spool = self.spool()
        place = spool.places.keep(["a"])["a"]
        spool.append([b"1\n"])
        spool.seal()
        pack(spool)
        segment = place.whole()
        assert segment is not None
        place.passed_whole(segment)
        spool.tend()
        spool.close()
        again = self.spool()
        again.append([b"2\n"])
        self.assertGreater(again.segments[0].number, segment.number)

    def test_places_that_can_not_be_read_begin_anew(self) -> None:
        spool = self.spool()
        spool.places.keep(["a"])
        spool.append([b"1\n"])
        spool.close()
        (self.directory / "places.json").write_bytes(b'{"a": 3}')
        self.assertEqual(self.read(self.spool().places.keep(["a"])["a"]), [b"1\n"])


_ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 9)),
        st.tuples(st.just("lose"), st.integers(1, 9)),
        st.tuples(
            st.sampled_from(("read a", "read b", "seal", "pack", "tend", "store", "restart", "wait")), st.just(0)
        ),
    ),
    max_size=60,
)


class Whatever(Case):
    @settings(max_examples=150, deadline=None)
    @given(actions=_ACTIONS)
    def test_every_line_comes_once_in_order_or_is_counted(self, actions: list[tuple[str, int]]) -> None:
        shutil.rmtree(self.directory, ignore_errors=True)
        run = _Run(self.directory, lambda: self.now)
        for action, count in actions:
            if action == "wait":
                self.now += 30
            else:
                run.do(action, count)
        run.do("seal", 0)
        run.do("pack", 0)
        for name in ("a", "b"):
            run.do(f"read {name}", 0)
        run.do("store", 0)
        for name, place in run.places.items():
            got = [int(line) for line in run.got[name] if not line.startswith(b"#")]
            self.assertEqual(got, sorted(set(got)))
            self.assertEqual(stands(run.got[name]) + place.total, run.written + run.lost, name)
        self.assertLessEqual(run.spool.size, 400)
        run.spool.close()


class _Run:
    """A spool with two readers of lines and one of files."""

    def __init__(self, directory: Path, now: Callable[[], float]) -> None:
        self._directory = directory
        self._now = now
        self.got: dict[str, list[bytes]] = {"a": [], "b": [], "files": []}
        self.written = self.lost = 0
        self.open()

    def open(self) -> None:
        self.spool = Spool(self._directory, Limits(spool=400, rotate_bytes=100, rotate_after=60.0), self._now)
        self.places = self.spool.places.keep(self.got)

    def do(self, action: str, count: int) -> None:
        if action == "append":
            self.spool.append([b"%06d\n" % (self.written + index) for index in range(count)])
            self.written += count
        elif action == "lose":
            self.spool.lose(count)
            self.lost += count
        elif action == "restart":
            self.spool.seal()  # which notes what was lost
            self.spool.close()
            self.open()
        elif action == "store":
            place = self.places["files"]
            while (segment := place.whole()) is not None:
                self.got["files"] += gzip.decompress(segment.path.read_bytes()).splitlines(True)
                place.passed_whole(segment)
        elif action.startswith("read"):
            place = self.places[action[-1]]
            while (batch := place.read(30)) is not None:
                self.got[action[-1]] += batch.lines
                place.passed(batch)
        else:
            {"seal": self.spool.seal, "pack": lambda: pack(self.spool), "tend": self.spool.tend}[action]()
