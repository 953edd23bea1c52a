"""Which server may be missing for a moment, while another one comes in its place."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from amphora.swaps import may_pause

OWN = ("p:f", "a")
UP = {"status": "UP", "weight": "1", "bck": "0"}


def rows(own: dict[str, str], *others: dict[str, str]) -> tuple[dict[str, str], ...]:
    named = [UP | {"svname": "a"} | own, *(UP | {"svname": f"o{n}"} | each for n, each in enumerate(others))]
    return tuple(named)


class MayPause(SynchronousTestCase):
    def test_one_that_rests_may(self) -> None:
        self.assertTrue(may_pause(OWN, rows({"status": "MAINT"})))

    def test_one_beside_another_that_can_take_its_requests_may(self) -> None:
        for other in ({}, {"status": "no check"}, {"weight": "256"}):
            self.assertTrue(may_pause(OWN, rows({}, other)), other)
            self.assertTrue(may_pause(OWN, rows({"bck": "1"}, other)), other)
        self.assertTrue(may_pause(OWN, rows({"bck": "1"}, {"bck": "1"})))

    def test_one_beside_none_that_can_may_not(self) -> None:
        self.assertFalse(may_pause(OWN, rows({})))
        for other in ({"status": "DOWN"}, {"status": "UP 1/2"}, {"status": "MAINT"}, {"weight": "0"}, {"bck": "1"}):
            self.assertFalse(may_pause(OWN, rows({}, other)), other)

    def test_one_that_is_not_well_may_not_since_the_new_one_would_count_as_up(self) -> None:
        for status in ("DOWN", "DOWN 1/2", "UP 1/2", "NOLB"):
            self.assertFalse(may_pause(OWN, rows({"status": status}, {})), status)

    def test_one_that_is_not_there_may_not(self) -> None:
        self.assertFalse(may_pause(("p:f", "b"), rows({})))
