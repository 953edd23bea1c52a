"""A daemon's parts open in order, close in the reverse order, also when one fails."""

from __future__ import annotations

from contextlib import AsyncExitStack

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.errors import SettingsError
from octavia_tx.resources import Resources, entered


class Part(Service):
    def __init__(self, name: str, story: list[str], opened: Deferred[None] | None = None) -> None:
        self.name, self.story, self.opened = name, story, opened

    def startService(self) -> Deferred[None] | None:  # type: ignore[override]
        self.story.append(f"open {self.name}")
        return self.opened

    def stopService(self) -> None:
        self.story.append(f"close {self.name}")


class Opening(SynchronousTestCase):
    def setUp(self) -> None:
        self.story: list[str] = []
        self.broken: list[Failure] = []

    def resources(self, *parts: Part, then: Exception | None = None) -> Resources:
        async def opening(stack: AsyncExitStack) -> None:
            for part in parts:
                await entered(stack, part)
            if then is not None:
                raise then

        return Resources(opening, self.broken.append)

    def test_parts_close_in_the_reverse_order(self) -> None:
        resources = self.resources(Part("a", self.story), Part("b", self.story))
        resources.startService()
        self.successResultOf(resources.stopService())
        self.assertEqual(self.story, ["open a", "open b", "close b", "close a"])
        self.assertEqual(self.broken, [])

    def test_a_part_waits_for_the_one_before(self) -> None:
        slow: Deferred[None] = Deferred()
        resources = self.resources(Part("a", self.story, slow), Part("b", self.story))
        resources.startService()
        self.assertEqual(self.story, ["open a"])
        slow.callback(None)
        self.assertEqual(self.story, ["open a", "open b"])

    def test_stopping_in_the_middle_closes_what_is_open(self) -> None:
        resources = self.resources(Part("a", self.story), Part("b", self.story, Deferred()), Part("c", self.story))
        resources.startService()
        self.successResultOf(resources.stopService())
        self.assertEqual(self.story, ["open a", "open b", "close b", "close a"])
        self.assertEqual(self.broken, [])

    def test_a_failure_closes_what_is_open_and_is_told(self) -> None:
        resources = self.resources(Part("a", self.story), then=SettingsError(("no",)))
        resources.startService()
        self.assertEqual(self.story, ["open a", "close a"])
        self.assertEqual([f.type for f in self.broken], [SettingsError])
        self.successResultOf(resources.stopService())
