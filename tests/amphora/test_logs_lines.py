"""Lines as messages of syslog, and lines out of haproxy's pipe."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from amphora.logs.intake import REST, Intake, is_pipe, make_pipe, split
from amphora.logs.lines import DATAGRAM_LIMIT, Origin, counted, datagram

ORIGIN = Origin(amphora_id="amphora", load_balancer_id="lb", facility=16)


class Messages(SynchronousTestCase):
    def test_an_access_is_informational_and_has_its_time(self) -> None:
        self.assertEqual(
            ORIGIN.message(b"GET /\n", 1_764_357_752_012),
            b"<134>1 2025-11-28T19:22:32.012Z amphora octavia-tx lb access - GET /",
        )

    def test_word_of_missing_lines_is_a_warning(self) -> None:
        self.assertEqual(
            ORIGIN.dropped(b"# 3\n", 0), b"<132>1 1970-01-01T00:00:00.000Z amphora octavia-tx lb dropped - # 3"
        )

    def test_octets_are_counted(self) -> None:
        self.assertEqual(counted("é".encode()), b"2 " + "é".encode())

    @given(st.text(min_size=DATAGRAM_LIMIT // 4, max_size=DATAGRAM_LIMIT * 2).map(str.encode))
    def test_a_datagram_is_bounded_and_not_cut_within_a_character(self, message: bytes) -> None:
        cut = datagram(message)
        self.assertLessEqual(len(cut), DATAGRAM_LIMIT)
        self.assertTrue(message.startswith(cut))
        cut.decode()
        self.assertGreater(len(cut), min(len(message), DATAGRAM_LIMIT) - 4)


class Splitting(SynchronousTestCase):
    @given(st.lists(st.tuples(st.sampled_from((b"<6>", b"<5>", b"<4>")), st.binary(max_size=20))), st.integers(1, 30))
    def test_access_lines_are_found_however_they_come(self, given: list[tuple[bytes, bytes]], size: int) -> None:
        lines = [(level, text.replace(b"\n", b" ")) for level, text in given]
        written = b"".join(level + text + b"\n" for level, text in lines)
        found: list[bytes] = []
        rest = b""
        for start in range(0, len(written), size):
            more, rest = split(rest + written[start : start + size])
            found += more
        self.assertEqual((found, rest), ([text + b"\n" for level, text in lines if level == b"<6>"], b""))


class Reading(SynchronousTestCase):
    """Out of a real pipe, with a reactor that only tells what it was asked to watch."""

    def setUp(self) -> None:
        self.watched: list[Any] = []
        self.clock: Any = Clock()
        self.clock.addReader = self.watched.append
        self.clock.removeReader = lambda reader: reader in self.watched and self.watched.remove(reader)
        directory = Path(self.mktemp())
        directory.mkdir(parents=True)
        self.path = make_pipe(directory)
        self.taken: list[list[bytes]] = []
        self.intake = Intake(self.clock, self.path, self.taken.append)
        self.intake.start()
        self.addCleanup(self.intake.stop)
        self.writer = os.open(self.path, os.O_WRONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, self.writer)

    def test_lines_that_come_together_are_taken_together(self) -> None:
        for number in range(3):
            os.write(self.writer, b"<6>%d\n" % number)
            self.intake.doRead()
            self.assertEqual(self.watched, [])
        self.assertEqual(self.taken, [])
        self.clock.advance(REST)
        self.assertEqual(self.taken[0], [b"0\n", b"1\n", b"2\n"])
        self.assertIn(self.intake, self.watched)

    def test_stopping_takes_what_is_there(self) -> None:
        os.write(self.writer, b"<6>1\n<4>Proxy stopped.\n")
        self.intake.stop()
        self.assertEqual(self.taken, [[b"1\n"]])
        self.assertEqual(self.watched, [])

    def test_a_pipe_holds_what_no_one_reads_up_to_its_room_and_no_writer_waits(self) -> None:
        written = 0
        with self.assertRaises(BlockingIOError):
            while True:
                written += os.write(self.writer, b"<6>" + b"x" * 200 + b"\n")
        self.assertGreater(written, 900_000)

    def test_a_pipe_in_which_a_line_found_no_room_was_crowded_once_whatever_the_lines_lengths(self) -> None:
        for size in (40, 300, 2046, 4000):
            with self.assertRaises(BlockingIOError):
                while True:
                    os.write(self.writer, b"<6>" + b"x" * size + b"\n")
            self.intake.doRead()
            self.clock.advance(REST)
            self.assertTrue(self.intake.was_crowded())
            self.assertFalse(self.intake.was_crowded())

    def test_a_pipe_is_not_crowded_by_what_comes_bit_by_bit(self) -> None:
        for _ in range(20):
            for _ in range(100):
                os.write(self.writer, b"<6>" + b"x" * 1000 + b"\n")
            self.intake.doRead()
            self.clock.advance(REST)
        self.assertFalse(self.intake.was_crowded())

    def test_a_pipe_that_overflowed_while_it_was_small_was_crowded(self) -> None:
        self.intake.stop()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 1 << 16)
        with open(self.path, "rb", opener=lambda path, _flags: os.open(path, os.O_RDONLY | os.O_NONBLOCK)):
            with self.assertRaises(BlockingIOError):
                while True:
                    os.write(self.writer, b"<6>" + b"x" * 2046 + b"\n")
            self.intake.start()
        self.assertTrue(self.intake.was_crowded())

    def test_something_else_in_the_place_of_a_pipe_makes_room_for_one(self) -> None:
        directory = self.path.parent / "other"
        directory.mkdir()
        (directory / self.path.name).write_text("")
        self.assertTrue(is_pipe(make_pipe(directory)))
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
