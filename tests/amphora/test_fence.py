"""Numbers that only grow."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from amphora.fence import Fences, Overtaken, StaleFence


class Fencing(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.fences = Fences(self.directory)

    def test_an_equal_or_higher_number_passes_a_lower_one_does_not(self) -> None:
        for number in (3, 3, 7):
            self.fences.check("lb", number)
        self.assertRaises(StaleFence, self.fences.check, "lb", 6)
        self.assertEqual(self.fences.seen("lb"), 7)

    def test_each_load_balancer_has_its_own(self) -> None:
        self.fences.check("one", 7)
        self.fences.check("other", 1)

    def test_numbers_survive_a_restart(self) -> None:
        self.fences.check("lb", 7)
        self.assertRaises(StaleFence, Fences(self.directory).check, "lb", 6)

    def test_what_was_asked_for_before_another_change_does_not_pass_though_its_number_is_no_lower(self) -> None:
        before = self.fences.changes()
        self.fences.check("lb", 7, before)
        for number in (7, 8):
            self.assertRaises(Overtaken, self.fences.check, "lb", number, before)
        self.fences.check("other", 1, before)
        self.fences.check("lb", 8, self.fences.changes())
