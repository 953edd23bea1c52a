"""Counters that outlive the agent."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from amphora.counted import FILE, Counted
from octavia_tx.wire.heartbeat import Counters

LISTENER = "33333333-3333-4333-8333-333333333333"
COUNTERS = Counters("epoch", 1, 2, 3, 4, 5)


class Remembering(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.counted = Counted(self.directory)

    def test_what_was_written_is_read_by_the_next_agent(self) -> None:
        self.counted.write({(LISTENER, "epoch"): COUNTERS})
        self.assertEqual(Counted(self.directory).read(), ((LISTENER, COUNTERS),))

    def test_what_is_the_same_is_not_written_again(self) -> None:
        self.counted.write({(LISTENER, "epoch"): COUNTERS})
        (self.directory / FILE).unlink()
        self.counted.write({(LISTENER, "epoch"): COUNTERS})
        self.assertFalse((self.directory / FILE).exists())

    def test_what_cannot_be_read_is_nothing(self) -> None:
        self.assertEqual(self.counted.read(), ())
        for text in ("", "[[1]]", "7", "[[]]"):
            (self.directory / FILE).write_text(text)
            self.assertEqual(self.counted.read(), ())

    def test_where_nothing_can_be_written_it_goes_on(self) -> None:
        counted = Counted(self.directory / "absent")
        for total in range(3):
            counted.write({(LISTENER, "epoch"): Counters("epoch", 0, 0, 0, 0, total)})
