"""When an amphora's certificate is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.controller.renewal import SPREAD, is_due
from octavia_tx.model.amphora import Amphora

NOW = datetime(2026, 1, 1, tzinfo=UTC)
VALIDITY = timedelta(days=60)


def amphora(left: timedelta | None, id: str | None = None) -> Amphora:
    end = None if left is None else NOW + left
    return Amphora(id=id or str(uuid4()), cert_expiration=end, created_at=NOW)


class Due(SynchronousTestCase):
    def due(self, left: timedelta | None, validity: timedelta = VALIDITY, id: str | None = None) -> bool:
        return is_due(amphora(left, id), NOW, validity, 1 / 3)

    def test_it_is_when_less_than_the_share_is_left_and_it_has_not_ended(self) -> None:
        for left, due in ((60, False), (25, False), (19.9, True), (0.001, True), (0, False), (-1, False)):
            self.assertIs(self.due(timedelta(days=left)), due, left)

    def test_one_whose_end_is_not_known_is_not(self) -> None:
        self.assertFalse(self.due(None))

    def test_those_that_were_made_together_come_due_one_after_the_other(self) -> None:
        ends = [timedelta(days=20 + SPREAD * 20 * step / 10) for step in range(11)]
        ids = [str(UUID(int=number * 7919)) for number in range(200)]
        counts = [sum(self.due(left, id=id) for id in ids) for left in ends]
        self.assertEqual((max(counts[-1:]), counts[0] > 190), (0, True))
        for before, after in zip(counts, counts[1:], strict=False):
            self.assertLess(before - after, 40)

    def test_no_new_one_is_asked_of_an_authority_that_ends_as_soon(self) -> None:
        for days in (50, 10, 1):
            self.assertFalse(self.due(timedelta(days=days), timedelta(days=days)))
        self.assertTrue(self.due(timedelta(days=1), timedelta(days=10)))

    @given(st.timedeltas(timedelta(minutes=1), VALIDITY), st.floats(0.01, 0.8), st.uuids())
    def test_a_new_one_is_not_due_at_once(self, validity: timedelta, share: float, id: UUID) -> None:
        fresh = evolve(amphora(validity, str(id)))
        self.assertFalse(is_due(fresh, NOW, validity, share))
