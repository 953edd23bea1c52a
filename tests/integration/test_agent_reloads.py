"""What a reload hands from haproxy's old worker to the new one, and what the old one counts until its end."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.web.client import Agent
from twisted.web.resource import Resource
from twisted.web.server import Site

from amphora.server_states import STATES
from octavia_tx.wire import envelope, heartbeat
from octavia_tx.wire.heartbeat import Counters
from tests.integration.agent_process import KEY, LB, AgentCase, counted, real, run

SICK = "66666666-6666-4666-8666-666666666666"
FAILING = "check port 1 inter 200ms fall 1 rise 2"
SELDOM = "check port 1 inter 30s fall 1 rise 2"


class Sick(Resource):
    """A member that answers although its check fails."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.asked = 0

    def render_GET(self, request: Any) -> bytes:
        self.asked += 1
        return b"sick"


class ReloadCase(AgentCase):
    def setUp(self) -> None:
        super().setUp()
        self.sick = Sick()
        site = Site(self.sick)  # type: ignore[no-untyped-call]
        site.log = lambda request: None  # type: ignore[method-assign,assignment]
        listening = real.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(listening.stopListening)
        self.sick_port = listening.getHost().port

    def sickened(self, check: str = FAILING, more: str = "") -> bytes:
        return self.configuration(more=more) + f"    server {SICK} 127.0.0.1:{self.sick_port} {check}\n".encode()

    def reports(self) -> list[heartbeat.Report]:
        return [heartbeat.decode(envelope.unseal(KEY, d)[1]) for d in self.receiver.datagrams]

    def totals(self) -> dict[str, Counters]:
        return {c.epoch: c for r in self.reports() for c in counted(r)}

    def is_down(self) -> bool:
        return self.found("DOWN")

    def is_up(self) -> bool:
        return self.found("UP")

    def found(self, status: str) -> bool:
        reports = self.reports()
        return bool(reports) and (SICK, status) in [(m.member_id, m.status) for m in reports[-1].members]

    async def users(self, count: int) -> None:
        """Requests on connections of their own, one after another."""
        for _ in range(count):
            self.assertEqual((await self.visit(agent=Agent(real, connectTimeout=5))).status, 200)


class HandingOn(ReloadCase):
    @run
    async def test_a_member_that_is_down_gets_no_request_after_reloads(self) -> None:
        await self.start()
        await self.serve(self.sickened())
        await self.until(self.is_down)
        self.sick.asked = 0
        for i in range(5):
            await self.serve(self.sickened(SELDOM, f"maxconn {50 + i}"))
            await self.users(6)
        self.assertEqual(self.sick.asked, 0)

    @run
    async def test_a_member_that_is_checked_no_more_is_asked_again(self) -> None:
        await self.start()
        await self.serve(self.sickened())
        await self.until(self.is_down)
        await self.serve(self.sickened(check=""))
        self.sick.asked = 0
        await self.users(6)
        self.assertEqual(self.sick.asked, 3)

    @run
    async def test_a_member_that_is_checked_at_another_port_is_judged_by_that(self) -> None:
        await self.start()
        for wrong, right in (("port 1", ""), ("port 1", f"port {self.sick_port}"), ("addr 127.0.0.3", "")):
            await self.serve(self.sickened(f"check {wrong} inter 200ms fall 1 rise 2"))
            await self.until(self.is_down)
            await self.serve(self.sickened(f"check {right} inter 200ms fall 1 rise 2"))
            await self.until(self.is_up)

    @run
    async def test_a_start_knows_nothing_of_earlier_states(self) -> None:
        await self.start()
        await self.serve(self.sickened())
        await self.serve(self.sickened(more="maxconn 50"))
        states = self.agent_directory / "load_balancers" / LB / STATES
        self.assertTrue(states.exists())
        for action in ("stop", "start"):
            self.assertEqual((await self.act(action)).status, 202)
        self.assertFalse(states.exists())


class Counting(ReloadCase):
    @run
    async def test_requests_during_reloads_are_all_counted(self) -> None:
        await self.start()
        await self.serve()
        asked = 0
        going = True

        async def ask() -> None:
            nonlocal asked
            while going:
                await self.users(1)
                asked += 1

        asking = Deferred.fromCoroutine(ask())
        for i in range(10):
            await self.serve(self.configuration(more=f"maxconn {100 + i}"))
            await deferLater(real, 0.2)
        going = False
        await asking
        await self.until(lambda: len(self.workers()) == 1)
        await deferLater(real, 2.5)
        self.assertEqual(sum(c.total_connections for c in self.totals().values()), asked)

    @run
    async def test_an_answer_that_takes_longer_than_the_reload_is_counted_whole(self) -> None:
        await self.start()
        await self.serve()
        await self.users(1)
        await deferLater(real, 1.2)
        one = sum(c.bytes_out for c in self.totals().values())
        slow = Deferred.fromCoroutine(self.visit("/slow", agent=Agent(real, connectTimeout=5)))
        await deferLater(real, 0.2)
        await self.serve(self.configuration(more="maxconn 50"))
        self.assertEqual((await slow).status, 200)
        await self.until(lambda: len(self.workers()) == 1)
        await deferLater(real, 1.2)
        self.assertEqual(sum(c.total_connections for c in self.totals().values()), 2)
        self.assertGreater(sum(c.bytes_out for c in self.totals().values()), one + len(b"member"))

    @run
    async def test_a_refused_reload_holds_nothing(self) -> None:
        await self.start()
        await self.serve()
        impossible = self.configuration(more=f"bind unix@/nonexistent-{self.vip_port}/socket")
        self.assertEqual((await self.upload(impossible)).status, 202)
        self.assertEqual((await self.act("reload")).status, 500)
        await self.serve(self.configuration(more="maxconn 50"))
        await self.until(lambda: len(self.workers()) == 1, 5)
        self.assertNotIn("may be missed", self.log())
