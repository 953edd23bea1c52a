"""What an agent tells by itself: heartbeats in both envelopes; and what it asks for at its start; and what it needs."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from twisted.internet.task import deferLater
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from octavia_tx.wire import envelope, heartbeat, openstack
from octavia_tx.wire.envelope import Kind
from octavia_tx.wire.heartbeat import Counters, MemberReport, Report
from octavia_tx.wire.rest import applied_path
from octavia_tx.wire.tls import MutualTLS, Peer, Role
from tests.integration.agent_process import (
    AMPHORA,
    KEY,
    LB,
    LISTENER,
    MEMBER,
    POOL,
    AgentCase,
    counted,
    free_address,
    real,
    run,
)

OTHER_MEMBER = "66666666-6666-4666-8666-666666666666"


class ReportCase(AgentCase):
    def reports(self) -> list[Report]:
        """All that was heard, verified."""
        return [heartbeat.decode(envelope.unseal(KEY, d)[1]) for d in self.receiver.datagrams]

    def says(self, status: str) -> bool:
        """Whether the newest report has that word for the member."""
        reports = self.reports()
        return bool(reports) and reports[-1].members == (MemberReport(POOL, MEMBER, status),)

    def totals(self) -> dict[str, Counters]:
        """The newest counters of each run of haproxy, as a receiver keeps them."""
        return {c.epoch: c for r in self.reports() for c in counted(r)}


class OwnEnvelope(ReportCase):
    @run
    async def test_a_spare_beats_too(self) -> None:
        await self.start()
        await self.until(lambda: len(self.receiver.datagrams) >= 3)
        headers = [envelope.unseal(KEY, d)[0] for d in self.receiver.datagrams]
        self.assertEqual({h.amphora_id for h in headers}, {AMPHORA})
        self.assertEqual([h.sequence for h in headers], list(range(1, len(headers) + 1)))
        self.assertTrue(all(abs(h.time - time.time()) < 10 for h in headers))
        self.assertEqual({r for r in self.reports()}, {Report()})

    @run
    async def test_statuses_are_told_when_they_change(self) -> None:
        await self.start()
        await self.serve()
        await self.until(lambda: self.says("UP"))
        last = self.reports()[-1]
        self.assertEqual(last.load_balancers, (LB,))
        self.assertEqual([(r.listener_id, r.status) for r in last.listeners], [(LISTENER, "OPEN")])
        await self.serve(self.configuration(check="check port 1 inter 100ms fall 2 rise 1"))
        await self.until(lambda: self.says("DOWN"), 5)
        await self.serve(self.configuration(check="check disabled"))
        await self.until(lambda: self.says("MAINT"), 5)
        await self.serve(self.configuration(check=""))
        await self.until(lambda: self.says("no check"), 5)

    @run
    async def test_a_reload_makes_no_member_look_better_or_worse_for_a_moment(self) -> None:
        await self.start()
        # haproxy spreads the first checks: the second member's comes a while after the start.
        dead = "check port 1 inter 2s fall 3 rise 2"
        other = f"    server {OTHER_MEMBER} 127.0.0.1:{self.member} {dead}\n".encode()
        await self.serve(self.configuration(check=dead) + other)
        await self.until(lambda: [m.status for m in self.reports()[-1].members] == ["DOWN", "DOWN"])
        begin = len(self.receiver.datagrams)
        for i in range(5):
            await self.serve(self.configuration(check=dead, more=f"maxconn {50 + i}") + other)
            await deferLater(real, 0.3)
        words = {tuple(m.status for m in r.members) for r in self.reports()[begin:]}
        self.assertEqual(words, {("DOWN", "DOWN")})

    @run
    async def test_every_request_is_counted_over_reloads_and_restarts_of_the_agent(self) -> None:
        agent = await self.start()
        await self.serve()
        for i in range(4):
            for _ in range(5):
                await self.visit()
            await self.pool.closeCachedConnections()
            await self.serve(self.configuration(more=f"maxconn {50 + i}"))
        self.kill(agent)
        await self.restart()
        for _ in range(5):
            await self.visit()
        await self.pool.closeCachedConnections()

        def connections() -> int:
            return sum(c.total_connections for c in self.totals().values())

        await self.until(lambda: connections() >= 5)
        await deferLater(real, 1.2)
        self.assertEqual(connections(), 5)
        # All answers are equally long.
        self.assertEqual(len({c.bytes_out for c in self.totals().values()}), 1)
        boots = {envelope.unseal(KEY, d)[0].boot_id for d in self.receiver.datagrams}
        self.assertEqual(len(boots), 2)
        self.assertEqual(len(self.totals()), 5)
        self.assertEqual({c.request_errors for c in self.totals().values()}, {0})

    @run
    async def test_a_change_is_told_within_the_call_that_makes_it(self) -> None:
        await self.start()
        await self.serve()
        self.assertIn((LB,), [r.load_balancers for r in self.reports()][-2:])
        await self.call("DELETE", f"/1.0/listeners/{LB}")
        await self.until(lambda: self.reports()[-1] == Report(), 0.4)

    @run
    async def test_many_members_are_told_in_datagrams_without_fragments(self) -> None:
        await self.start()
        ids = [f"{i:08x}-0000-4000-8000-000000000000" for i in range(300)]
        more = "".join(f"\n    server {i} 127.0.0.1:{self.member}" for i in ids)
        await self.serve(self.configuration() + more.encode() + b"\n")
        await self.until(lambda: {m.member_id for r in self.reports() for m in r.members} >= set(ids))
        self.assertLessEqual(max(map(len, self.receiver.datagrams)), 1400)


class OpenStackEnvelope(ReportCase):
    envelope = "openstack"

    @run
    async def test_a_receiver_of_openstacks_adds_up_what_was_done(self) -> None:
        await self.start()
        await self.serve()
        for _ in range(7):
            await self.visit()
        await self.pool.closeCachedConnections()

        def messages() -> list[openstack.Message]:
            return [openstack.unseal(KEY, d) for d in self.receiver.datagrams]

        def bytes_out() -> int:
            return sum(c.bytes_out for m in messages() for c in counted(m.report))

        await self.until(lambda: bytes_out() > 0)
        await deferLater(real, 1.2)
        after = bytes_out()
        await deferLater(real, 1.2)
        self.assertEqual(bytes_out(), after)
        self.assertEqual({m.amphora_id for m in messages()}, {AMPHORA})
        self.assertEqual(messages()[-1].report.members, (MemberReport(POOL, MEMBER, "UP"),))


class Controller(Resource):
    """
    What an agent asks; answers 503 at first.

    @ivar told: what it was told by PUT.
    @ivar holds: whether to answer only when L{go_on} says so.
    """

    isLeaf = True

    def __init__(self, answer: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.answer = answer
        self.asked: list[bytes] = []
        self.told: list[bytes] = []
        self.holds = False
        self.held: list[Any] = []

    def render_GET(self, request: Any) -> Any:
        self.asked.append(request.path)
        if len(self.asked) == 1:
            request.setResponseCode(503)
            return b"{}"
        if self.holds:
            self.held.append(request)
            return NOT_DONE_YET
        return json.dumps(self.answer).encode()

    def render_PUT(self, request: Any) -> bytes:
        self.told.append(request.path)
        return b"{}"

    def go_on(self) -> None:
        for request in self.held:
            request.write(json.dumps(self.answer).encode())
            request.finish()


class Pulling(ReportCase):
    def listen(self, answer: Any) -> Controller:
        host, port = free_address()
        controller = Controller(answer)
        site = Site(controller)  # type: ignore[no-untyped-call]
        site.log = lambda request: None  # type: ignore[method-assign,assignment]
        tls = MutualTLS(self.authority.issue(Role.CONTROLLER, "controller"), Peer(role=Role.AMPHORA))
        listening = real.listenTCP(port, TLSMemoryBIOFactory(tls, False, site), interface=host)
        self.addCleanup(listening.stopListening)
        dead, dead_port = free_address()
        self.controllers = [f"https://{dead}:{dead_port}", f"https://{host}:{port}"]
        return controller

    def wanted(self, text: bytes, fence: int) -> dict[str, Any]:
        return {"load_balancers": [{"id": LB, "fence": fence, "haproxy": text.decode()}]}

    @run
    async def test_an_agent_that_missed_its_configuration_asks_for_it_until_it_gets_it(self) -> None:
        controller = self.listen(self.wanted(self.configuration(), 7))
        await self.start()
        await self.until(self.serves)
        self.assertEqual(set(controller.asked), {f"/1.0/amphorae/{AMPHORA}/load_balancers".encode()})
        self.assertEqual(len(controller.asked), 2)
        self.assertEqual((await self.upload(fence=6)).status, 409)

    @run
    async def test_what_it_has_already_is_not_loaded_again_and_older_words_are_not_heard(self) -> None:
        agent = await self.start()
        newest = self.configuration(more="maxconn 77")
        await self.upload(newest, fence=9)
        self.assertEqual((await self.act("reload", fence=9)).status, 202)
        for text, fence in ((self.configuration(), 8), (newest, 9)):
            self.kill(agent)
            workers = self.workers()
            controller = self.listen(self.wanted(text, fence))
            self.place()
            agent = await self.restart()
            await self.until(lambda asked=controller.asked: len(asked) == 2)  # type: ignore[misc]
            await deferLater(real, 0.3)
            self.assertEqual(self.workers(), workers)
            self.assertEqual((await self.call("GET", f"/1.0/loadbalancer/{LB}/haproxy")).body, newest)

    @run
    async def test_a_notice_has_it_asked_again_and_the_controller_told(self) -> None:
        controller = self.listen(self.wanted(self.configuration(), 7))
        await self.start()
        await self.until(self.serves)
        newest = self.configuration(more="maxconn 77")
        controller.answer = self.wanted(newest, 8)
        controller.answer["load_balancers"][0]["revision"] = 3
        self.receiver.answers = Kind.NOTICE
        await self.until(lambda: bool(controller.told))
        self.receiver.answers = None
        self.assertEqual(controller.told[0], applied_path(AMPHORA, LB, 8, 3).encode())
        self.assertEqual((await self.call("GET", f"/1.0/loadbalancer/{LB}/haproxy")).body, newest)

    @run
    async def test_what_was_pushed_while_it_asked_is_not_undone_by_an_older_answer(self) -> None:
        controller = self.listen(self.wanted(self.configuration(), 7))
        await self.start()
        await self.until(self.serves)
        controller.holds = True
        self.receiver.answers = Kind.NOTICE
        await self.until(lambda: bool(controller.held))
        self.receiver.answers = None
        newest = self.configuration(more="maxconn 77")
        await self.upload(newest, fence=7)
        self.assertEqual((await self.act("reload", fence=7)).status, 202)
        workers = self.workers()
        controller.go_on()
        await deferLater(real, 1)
        self.assertEqual((await self.call("GET", f"/1.0/loadbalancer/{LB}/haproxy")).body, newest)
        self.assertLessEqual(set(self.workers()), set(workers))

    @run
    async def test_an_impostor_is_not_asked(self) -> None:
        host, port = free_address()
        controller = Controller(self.wanted(self.configuration(), 7))
        tls = MutualTLS(self.authority.issue(Role.AMPHORA, AMPHORA), Peer(role=Role.AMPHORA))
        site = TLSMemoryBIOFactory(tls, False, Site(controller))  # type: ignore[no-untyped-call]
        listening = real.listenTCP(port, site, interface=host)
        self.addCleanup(listening.stopListening)
        self.controllers = [f"https://{host}:{port}"]
        await self.start()
        await self.until(lambda: "no connection" in self.log() or "it hung up" in self.log())
        self.assertEqual(controller.asked, [])


class Needs(AgentCase):
    @run
    async def test_it_starts_soon_and_lives_in_little(self) -> None:
        self.place()
        began = time.monotonic()
        agent = self.launch()
        await self.until(self._answers)
        # The goal on an idle machine is 0.5 s; here other tests may run.
        self.assertLess(time.monotonic() - began, 3)
        await self.serve()
        for i in range(10):
            await self.serve(self.configuration(more=f"maxconn {50 + i}"))
            await self.visit()
        await deferLater(real, 1.5)
        status = Path(f"/proc/{agent.pid}/status").read_text()
        resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
        self.assertLess(resident, 60 * 1024)
