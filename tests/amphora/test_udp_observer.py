"""Listeners of UDP in heartbeats."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from amphora.ledger import Ledger
from amphora.udp_observer import PERIOD, UdpObservation
from tests.amphora.test_ipvs import LISTENER, configuration


class Life:
    def __init__(self) -> None:
        self.is_served = True

    def serves(self) -> bool:
        return self.is_served


class Listener:
    """What is asked of one."""

    name = LISTENER

    def __init__(self) -> None:
        self.life = Life()
        self.said = configuration()

    def text(self) -> bytes:
        return self.said.encode()

    def pid(self) -> int:
        raise FileNotFoundError


class Known:
    def __init__(self) -> None:
        self.listeners = [Listener()]

    def all(self) -> tuple[Listener, ...]:
        return tuple(self.listeners)


class Beats:
    def __init__(self) -> None:
        self.count = 0

    def beat_if_changed(self) -> None:
        self.count += 1


class Observing(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.ledger, self.known, self.beats = Clock(), Ledger(), Known(), Beats()
        given: Any = (self.clock, self.known, self.ledger, self.beats)
        self.observation = UdpObservation(*given)
        self.observation.startService()
        self.addCleanup(self.observation.stopService)

    def told(self) -> list[str]:
        self.clock.advance(PERIOD)
        return [listener.listener_id for listener in self.ledger.report().listeners]

    def test_one_that_is_served_is_told_of_and_is_no_load_balancer(self) -> None:
        self.assertEqual(self.told(), [LISTENER])
        self.assertEqual(self.ledger.report().load_balancers, ())
        self.assertEqual(self.beats.count, 1)

    def test_one_that_ended_is_disabled_or_gone_is_not_and_that_is_told_at_once(self) -> None:
        (listener,) = self.known.listeners
        self.assertEqual(self.told(), [LISTENER])
        listener.life.is_served = False
        self.assertEqual((self.told(), self.beats.count), ([], 2))
        listener.life.is_served, listener.said = True, f"# Listener {LISTENER} is disabled\n"
        self.assertEqual(self.told(), [])
        listener.said = configuration()
        self.assertEqual(self.told(), [LISTENER])
        self.known.listeners.clear()
        self.assertEqual((self.told(), self.ledger.report().members), ([], ()))
