"""haproxy under the agent, told to accept no more: whoever is being served is served to the end."""

from __future__ import annotations

import signal

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.web.client import Agent

from octavia_tx.wire import envelope, heartbeat
from tests.integration.agent_process import KEY, LB, LISTENER, AgentCase, Answer, counted, real, run


class Draining(AgentCase):
    async def _drain(self) -> int:
        drained: Answer = await self.act("drain")
        self.assertEqual(drained.status, 202, drained.body)
        left: int = drained.json["connections"]
        return left

    def _visit(self, path: str) -> Deferred[Answer]:
        return Deferred.fromCoroutine(self.visit(path, Agent(real)))

    @run
    async def test_an_answer_under_way_is_finished_and_no_connection_accepted(self) -> None:
        await self.start()
        await self.serve()
        slow = self._visit("/slow")
        await deferLater(real, 0.2)
        self.assertEqual(await self._drain(), 1)
        self.assertFalse(await self.serves())
        self.assertNoResult(slow)
        self.assertEqual((await slow).body, b"member")
        await self.until(self._drained)
        self.assertFalse(await self.serves())

    async def _drained(self) -> bool:
        return await self._drain() == 0

    @run
    async def test_it_ends_by_itself_and_is_not_started_again(self) -> None:
        await self.start()
        await self.serve()
        self.assertEqual(await self._drain(), 0)
        await self.until(lambda: not self.haproxies())
        await deferLater(real, 1.0)
        self.assertEqual(self.haproxies(), [])
        self.assertEqual(await self._drain(), 0)
        self.assertEqual((await self.call("GET", "/1.0/listeners")).json[0]["status"], "OFFLINE")

    @run
    async def test_an_agent_that_is_started_anew_leaves_it_drained(self) -> None:
        child = await self.start()
        await self.serve()
        held = self._visit("/held")
        await deferLater(real, 0.2)
        await self._drain()
        self.kill(child, signal.SIGKILL)
        child = await self.restart()
        self.assertEqual(await self._drain(), 1)
        self.back_end.go_on()
        self.assertEqual((await held).body, b"member")
        await self.until(lambda: not self.haproxies())
        self.kill(child, signal.SIGKILL)
        await self.restart()
        await deferLater(real, 0.5)
        self.assertEqual(self.haproxies(), [])

    @run
    async def test_a_reload_has_it_serve_again(self) -> None:
        await self.start()
        await self.serve()
        await self._drain()
        await self.serve()
        self.assertTrue(await self.serves())

    @run
    async def test_what_it_counts_last_is_told(self) -> None:
        await self.start()
        await self.serve()
        for _ in range(5):
            await self.visit(agent=Agent(real))
        slow = self._visit("/slow")
        await deferLater(real, 0.2)
        await self._drain()
        await slow
        await self.until(self._drained)
        await self.until(lambda: self._told() == 6, 3)

    def _told(self) -> int:
        """How many connections the listener's reports tell of."""
        totals: dict[str, int] = {}
        for datagram in self.receiver.datagrams:
            report = heartbeat.decode(envelope.unseal(KEY, datagram)[1])
            self.assertTrue(all(r.listener_id == LISTENER for r in report.listeners))
            for counters in counted(report):
                totals[counters.epoch] = max(totals.get(counters.epoch, 0), counters.total_connections)
        return sum(totals.values())

    @run
    async def test_what_is_not_there_can_not_be_drained(self) -> None:
        await self.start()
        self.assertEqual((await self.act("drain")).status, 404)
        await self.serve()
        await self.call("DELETE", f"/1.0/listeners/{LB}")
        self.assertEqual((await self.act("drain")).status, 404)
