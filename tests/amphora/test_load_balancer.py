"""One load balancer: one change at a time, each to its end."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from amphora.certificates import Certificates
from amphora.fence import Fences, StaleFence
from amphora.load_balancer import Absent, LoadBalancer, checksum
from amphora.runner import CONFIGURATION, Program


class Gate:
    """An observer who lets a change go on when the test says so."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[None]] = []
        self.seen = 0

    async def before(self, load_balancer: LoadBalancer) -> None:
        self.waiting.append(Deferred())
        await self.waiting[-1]

    async def after(self, load_balancer: LoadBalancer) -> None:
        self.seen += 1


class Changing(SynchronousTestCase):
    def setUp(self) -> None:
        self.gate = Gate()
        directory = Path(self.mktemp()).absolute()
        self.directory = directory / "lb"
        self.directory.mkdir(parents=True)
        self.fences = Fences(directory / "fences")
        program = Program("/bin/false", "peer")
        self.load_balancer = LoadBalancer(
            Clock(), self.directory, program, self.fences, self.gate, Certificates(None, self.directory / "link")
        )

    def place(self, text: str) -> None:
        (self.directory / CONFIGURATION).write_text(text)

    def test_changes_are_made_one_after_another(self) -> None:
        self.place("text")
        first, second = self.load_balancer.stop(None), self.load_balancer.stop(None)
        self.assertEqual(len(self.gate.waiting), 1)
        self.gate.waiting[0].callback(None)
        self.successResultOf(first)
        self.assertEqual(len(self.gate.waiting), 2)
        self.assertNoResult(second)
        self.gate.waiting[1].callback(None)
        self.successResultOf(second)

    def test_a_change_is_made_to_its_end_when_the_one_who_asked_has_gone(self) -> None:
        self.place("text")
        asked = self.load_balancer.stop(None)
        asked.addErrback(lambda _: None)
        asked.cancel()
        self.gate.waiting[0].callback(None)
        self.assertEqual(self.gate.seen, 1)

    def test_a_change_that_waits_is_fenced_when_its_turn_comes(self) -> None:
        self.place("text")
        self.load_balancer.stop(5)
        stale = self.load_balancer.stop(4)
        self.assertNoResult(stale)
        self.gate.waiting[0].callback(None)
        self.failureResultOf(stale, StaleFence)

    def test_what_is_not_there_can_not_be_run_but_removed(self) -> None:
        for act in (self.load_balancer.start, self.load_balancer.reload, self.load_balancer.stop):
            self.failureResultOf(act(None), Absent)
        self.assertRaises(Absent, self.load_balancer.text)
        self.assertEqual(self.load_balancer.listeners(), {})
        self.successResultOf(self.load_balancer.remove(None))
        self.successResultOf(self.load_balancer.remove(None))
        self.assertFalse(self.directory.exists())

    def test_listeners_and_their_protocols_are_read_off_the_configuration(self) -> None:
        self.place(
            "defaults\n    mode http\nfrontend one\n    bind a\n\n    # c\n    mode http\n"
            "frontend two\n    bind b\nbackend x\n    mode http\nfrontend three\n    mode tcp\n"
            "frontend four\n    bind c ssl crt d\n    mode http\nfrontend five\n    mode http\n    bind c ssl crt d\n"
        )
        self.assertEqual(
            self.load_balancer.listeners(),
            {"one": "HTTP", "two": "TCP", "three": "TCP", "four": "TERMINATED_HTTPS", "five": "TERMINATED_HTTPS"},
        )

    def test_the_checksum_is_the_md5_of_the_text(self) -> None:
        self.assertEqual(checksum(b""), "d41d8cd98f00b204e9800998ecf8427e")
