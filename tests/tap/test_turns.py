"""Which worker takes the next connection."""

from __future__ import annotations

import tempfile

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.tap.turns import PATIENCE, SLACK, Turns, take_turns


class Port:
    """A listening port of the reactor."""

    numberAccepts = 100
    connected = True
    disconnecting = False
    reading = True

    def __init__(self) -> None:
        self.accepts: list[int] = []

    def doRead(self) -> None:
        self.accepts.append(self.numberAccepts)
        self.numberAccepts = 20

    def stopReading(self) -> None:
        self.reading = False

    def startReading(self) -> None:
        self.reading = True


class TurnsTests(SynchronousTestCase):
    def setUp(self) -> None:
        file = tempfile.TemporaryFile()  # noqa: SIM115
        self.addCleanup(file.close)
        file.truncate(Turns.size(3))
        self.turns = Turns(file.fileno(), 3)
        self.others = Turns(file.fileno(), 3)
        for slot in range(3):
            self.turns.leave(slot)
        self.turns.tell(0, 0)
        self.port, self.clock = Port(), Clock()
        take_turns(self.port, self.clock, self.turns, 0)

    def test_alone_it_is_always_ones_turn(self) -> None:
        self.turns.tell(0, 1000)
        self.assertTrue(self.turns.is_first(0))

    def test_one_with_a_few_more_than_another_goes_on(self) -> None:
        self.others.tell(1, 5)
        self.turns.tell(0, 5 + SLACK)
        self.port.doRead()
        self.assertEqual(self.port.accepts, [1])

    def test_one_with_many_more_waits_a_moment(self) -> None:
        self.others.tell(1, 5)
        self.turns.tell(0, 6 + SLACK)
        self.port.doRead()
        self.assertEqual((self.port.accepts, self.port.reading), ([], False))
        self.clock.advance(PATIENCE)
        self.assertEqual((self.port.accepts, self.port.reading), ([1], True))

    def test_one_that_has_gone_is_not_waited_for(self) -> None:
        self.others.tell(1, 0)
        self.turns.tell(0, 100)
        self.assertFalse(self.turns.is_first(0))
        self.others.leave(1)
        self.assertTrue(self.turns.is_first(0))

    def test_connections_are_accepted_one_at_a_time(self) -> None:
        self.port.doRead()
        self.port.doRead()
        self.assertEqual(self.port.accepts, [1, 1])

    def test_a_port_that_is_closed_meanwhile_accepts_nothing(self) -> None:
        self.others.tell(1, 0)
        self.turns.tell(0, 100)
        self.port.doRead()
        self.port.connected = False
        self.clock.advance(PATIENCE)
        self.assertEqual((self.port.accepts, self.port.reading), ([], False))
