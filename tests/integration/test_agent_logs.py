"""A real agent that ships what a real haproxy logs."""

from __future__ import annotations

import json
from typing import Any

from octavia_tx.wire.logs import HAPROXY_TARGET, LogTerms, Syslog, Target, encode
from tests.integration.agent_process import AMPHORA, LB, AgentCase, run
from tests.integration.log_receivers import Datagrams, Message, Streams

FORMAT = f"{HAPROXY_TARGET}\n    log-format '%HM %HU %ST'\n    error-log-format '%HM %HU %ST'"


def terms(*targets: Target, **more: Any) -> LogTerms:
    given: dict[str, Any] = {"spool": 1 << 24, "rotate_bytes": 1 << 20, "rotate_after": 300.0, "farewell": 5.0}
    return LogTerms(targets=targets, **(given | more))


def syslog(port: int, transport: str = "tcp", **more: Any) -> Syslog:
    return Syslog(name=transport, host="127.0.0.1", port=port, transport=transport, **more)


class Case(AgentCase):
    """Helpers for all of these tests."""

    async def put_terms(self, terms: LogTerms) -> None:
        answer = await self.call("PUT", f"/1.0/loadbalancer/{LB}/logs", encode(terms))
        self.assertEqual(answer.status, 202, answer.body)

    async def log_to(self, *targets: Target, **more: Any) -> None:
        """Have an agent with a load balancer that is logged there."""
        await self.start()
        await self.put_terms(terms(*targets, **more))
        await self.serve(self.configuration(more=FORMAT))
        await self.until(self.serves)

    async def visits(self, *paths: str) -> None:
        for path in paths:
            await self.visit(path)

    async def status(self) -> Any:
        answer = await self.call("GET", f"/1.0/loadbalancer/{LB}/logs")
        return json.loads(answer.body) if answer.status == 200 else None


def texts(messages: list[Message]) -> list[str]:
    return [message.text for message in messages]


class ToSyslog(Case):
    @run
    async def test_a_line_for_each_request_reaches_a_receiver_by_udp(self) -> None:
        receiver = Datagrams()
        await self.log_to(syslog(receiver.listen(self), "udp", facility=17))
        await self.visits("/a", "/b")
        await self.until(lambda: len(receiver.messages) >= 3)
        self.assertEqual(texts(receiver.messages)[-2:], ["GET /a 200", "GET /b 200"])
        last = receiver.messages[-1]
        self.assertEqual((last.priority, last.host, last.process, last.kind), (17 * 8 + 6, AMPHORA, LB, "access"))

    @run
    async def test_lines_wait_for_a_receiver_that_is_away_and_come_in_order(self) -> None:
        receiver = Streams()
        port = receiver.listen(self)
        await self.log_to(syslog(port))
        await self.visits("/a")
        await self.until(lambda: "GET /a 200" in texts(receiver.messages))
        await receiver.close()
        await self.visits(*(f"/{number}" for number in range(20)))
        receiver.listen(self, port)
        await self.until(lambda: "GET /19 200" in texts(receiver.messages))
        came = [text for text in texts(receiver.messages) if text != "GET / 200"]
        self.assertEqual(list(dict.fromkeys(came)), ["GET /a 200", *(f"GET /{number} 200" for number in range(20))])

    @run
    async def test_what_is_logged_while_the_agent_is_away_is_shipped_by_the_next_one(self) -> None:
        receiver = Streams()
        await self.log_to(syslog(receiver.listen(self)))
        await self.visits("/a")
        await self.until(lambda: "GET /a 200" in texts(receiver.messages))
        self.kill(self.agents[-1])
        await self.visits("/b", "/c")
        await self.restart()
        await self.visits("/d")
        await self.until(lambda: "GET /d 200" in texts(receiver.messages))
        came = dict.fromkeys(text for text in texts(receiver.messages) if text != "GET / 200")
        self.assertEqual(list(came), ["GET /a 200", "GET /b 200", "GET /c 200", "GET /d 200"])
