"""The amphora's life, and that its drawing in the documentation is the machine."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from automat import NoTransition
from twisted.trial.unittest import SynchronousTestCase

import octavia_tx
from octavia_tx.controller.lifecycle import Life, machine, rebuilt
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState

DRAWING = Path(octavia_tx.__file__).parent.parent / "docs" / "lifecycle.md"


def life(state: AmphoraState) -> Life:
    return rebuilt(Amphora(id="a", state=state, created_at=datetime(2026, 1, 1, tzinfo=UTC)))


class Lives(SynchronousTestCase):
    """What may follow what."""

    def test_an_amphora_for_a_load_balancer_boots_and_is_allocated(self) -> None:
        self.assertIs(life(AmphoraState.REQUESTED).boot(), AmphoraState.BOOTING)
        self.assertIs(life(AmphoraState.BOOTING).allocate(), AmphoraState.ALLOCATED)

    def test_a_spare_stands_by_until_it_is_allocated(self) -> None:
        self.assertIs(life(AmphoraState.BOOTING).stand_by(), AmphoraState.READY)
        self.assertIs(life(AmphoraState.READY).allocate(), AmphoraState.ALLOCATED)

    def test_any_that_lives_may_fail_or_be_retired(self) -> None:
        for state in set(AmphoraState) - {AmphoraState.DELETED}:
            self.assertIs(life(state).fail(), AmphoraState.FAILED)
            self.assertIs(life(state).retire(), AmphoraState.DELETING)

    def test_a_deleted_one_stays_deleted(self) -> None:
        deleted = life(AmphoraState.DELETED)
        for event in (deleted.boot, deleted.allocate, deleted.fail, deleted.retire, deleted.destroyed):
            self.assertRaises(NoTransition, event)

    def test_a_failed_one_never_serves_again(self) -> None:
        failed = life(AmphoraState.FAILED)
        for event in (failed.boot, failed.stand_by, failed.allocate, failed.drain):
            self.assertRaises(NoTransition, event)

    def test_a_machine_goes_on_from_where_its_row_says(self) -> None:
        going = life(AmphoraState.REQUESTED)
        self.assertEqual(
            [going.boot(), going.allocate(), going.drain(), going.retire(), going.destroyed()],
            ["BOOTING", "ALLOCATED", "DRAINING", "DELETING", "DELETED"],
        )

    def test_the_drawing_is_the_machine(self) -> None:
        drawn = set(re.findall(r"^ +(\w+) --> (\w+): (\w+)$", DRAWING.read_text("utf-8"), re.MULTILINE))
        built = {
            (before.name, after.name, event)
            for before, event, after, _outputs in machine.__automat_automaton__.allTransitions()
        }
        self.assertEqual(drawn, built)
