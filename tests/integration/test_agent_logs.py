"""A real agent that ships what a real haproxy logs."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
from collections import Counter
from typing import Any

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.ssl import Certificate, PrivateCertificate

from octavia_tx.wire.logs import HAPROXY_TARGET, LogTerms, Syslog, Target, encode
from tests.integration.agent_process import AMPHORA, LB, AgentCase, run
from tests.integration.log_receivers import Datagrams, Message, Streams
from tests.model.certificates import Issued, issue

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

    async def nothing_is_left(self) -> bool:
        """Whether all that was logged is known to have arrived."""
        return bool((await self.status())["left"] == 0)


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
    async def test_a_connection_on_which_all_has_arrived_ends_in_order(self) -> None:
        receiver = Streams()
        await self.log_to(syslog(receiver.listen(self)))
        await self.visits("/a")
        await self.until(lambda: "GET /a 200" in texts(receiver.messages))
        await self.until(self.nothing_is_left)
        self.kill(self.agents[-1], signal.SIGTERM)
        await self.until(lambda: bool(receiver.ends))
        self.assertEqual(receiver.ends, [ConnectionDone])

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

    @run
    async def test_what_each_target_misses_is_in_the_agents_log_once(self) -> None:
        receiver = Streams()
        port = receiver.listen(self)
        await receiver.close()
        targets = tuple(evolve(syslog(port), name=name) for name in ("a", "b"))
        await self.log_to(*targets, spool=1 << 16, rotate_bytes=1 << 13)
        await self.drop(0)
        self.kill(self.agents[-1], signal.SIGTERM)
        await self.restart()
        await self.drop(await self.drop(0))

        async def told() -> bool:
            return self.missed() == {name: of["dropped"] for name, of in (await self.status())["targets"].items()}

        await self.until(told)

    async def drop(self, before: int) -> int:
        """Make visits until targets miss more than so many lines; gives how many."""
        while (dropped := (await self.status())["targets"]["a"]["dropped"]) <= before:
            await self.visits(*(f"/{os.urandom(450).hex()}" for _ in range(50)))
        return int(dropped)

    def missed(self) -> dict[str, int]:
        """How many lines targets miss, by the agent's log."""
        found: Counter[str] = Counter()
        for name, count in re.findall(rf"the log of {LB} for (\w+) misses (\d+) lines more", self.log()):
            found[name] += int(count)
        return dict(found)


class Secured(Case):
    """Syslog by TLS."""

    def setUp(self) -> None:
        super().setUp()
        self.ca = issue("authority", authority=True)
        self.other = issue("other authority", authority=True)

    def receive(self, *, clients: Issued | None = None) -> tuple[Streams, int]:
        server = issue("logs.example", self.ca, names=("logs.example",))
        own = PrivateCertificate.loadPEM(server.key_pem() + server.pem)
        trusted = [] if clients is None else [Certificate.loadPEM(clients.pem)]
        options = own.options(*trusted)
        receiver = Streams(tls=options)
        return receiver, receiver.listen(self)

    def target(self, port: int, **more: Any) -> Syslog:
        given = {"server": "logs.example", "authorities": self.ca.pem.decode(), **more}
        return syslog(port, "tls", **given)

    async def problem(self) -> str:
        problem: list[str] = []

        async def told() -> bool:
            found = (await self.status())["targets"]["tls"]["problem"]
            problem.append(str(found))
            return found is not None

        await self.until(told)
        return problem[-1]

    @run
    async def test_lines_reach_a_server_whose_certificate_has_the_name(self) -> None:
        receiver, port = self.receive()
        await self.log_to(self.target(port))
        await self.visits("/a")
        await self.until(lambda: "GET /a 200" in texts(receiver.messages))
        await self.until(self.nothing_is_left)
        await self.put_terms(terms())
        await self.until(lambda: bool(receiver.ends))
        self.assertEqual(receiver.ends, [ConnectionDone])

    @run
    async def test_a_server_of_another_authority_is_sent_nothing(self) -> None:
        receiver, port = self.receive()
        await self.log_to(self.target(port, authorities=self.other.pem.decode()))
        await self.visits("/a")
        self.assertIn("certificate verify failed", await self.problem())
        self.assertEqual(receiver.messages, [])

    @run
    async def test_a_server_of_another_name_is_sent_nothing(self) -> None:
        receiver, port = self.receive()
        await self.log_to(self.target(port, server="other.example"))
        await self.visits("/a")
        self.assertIn("broke", await self.problem())
        self.assertEqual(receiver.messages, [])

    @run
    async def test_a_server_that_wants_a_certificate_gets_ours_and_without_one_no_line_is_lost(self) -> None:
        receiver, port = self.receive(clients=self.ca)
        await self.log_to(self.target(port))
        await self.visits("/a")
        await self.problem()
        self.assertEqual(receiver.messages, [])
        own = issue("amphora", self.ca)
        await self.put_terms(terms(self.target(port, certificate=(own.key_pem() + own.pem).decode())))
        await self.until(lambda: "GET /a 200" in texts(receiver.messages))
        stored = self.agent_directory / "logs" / LB / "terms.json"
        self.assertEqual(stat.S_IMODE(stored.stat().st_mode), 0o600)


class LeavingCase(Case):
    """Has a load balancer removed."""

    async def remove(self) -> None:
        self.assertEqual((await self.call("DELETE", f"/1.0/listeners/{LB}")).status, 200)

    async def gone(self) -> bool:
        return await self.status() is None and not (self.agent_directory / "logs" / LB).exists()


class Leaving(LeavingCase):
    """When a load balancer goes, or isn't logged any more."""

    @run
    async def test_what_is_left_is_shipped_and_then_nothing_of_it_stays(self) -> None:
        receiver = Streams()
        port = receiver.listen(self)
        await receiver.close()
        await self.log_to(syslog(port), farewell=20.0)
        await self.visits("/a", "/b")
        await self.remove()
        self.assertGreater((await self.status())["left"], 0)
        receiver.listen(self, port)
        await self.until(self.gone)
        self.assertEqual(texts(receiver.messages)[-2:], ["GET /a 200", "GET /b 200"])

    @run
    async def test_a_configuration_that_logs_no_more_ends_the_log_and_one_that_does_begins_another(self) -> None:
        receiver = Streams()
        port = receiver.listen(self)
        await self.log_to(syslog(port))
        await self.visits("/a")
        await self.serve()
        await self.until(self.gone)
        self.assertIn("GET /a 200", texts(receiver.messages))
        await self.put_terms(terms(syslog(port)))
        await self.serve(self.configuration(more=FORMAT))
        await self.visits("/b")
        await self.until(lambda: "GET /b 200" in texts(receiver.messages))

    @run
    async def test_a_connection_that_outlives_a_reload_is_logged_when_it_ends(self) -> None:
        receiver = Streams()
        await self.log_to(syslog(receiver.listen(self)))
        held = Deferred.fromCoroutine(self.visit("/held"))
        await self.until(lambda: bool(self.back_end.held))
        await self.serve(self.configuration(more=FORMAT.replace("%ST", "%ST new")))
        await self.visits("/a")
        await self.until(lambda: "GET /a 200 new" in texts(receiver.messages))
        self.back_end.go_on()
        await held
        await self.until(lambda: "GET /held 200" in texts(receiver.messages))


class Refusing(Case):
    @run
    async def test_what_are_no_terms_is_refused_and_an_older_controller_too(self) -> None:
        await self.start()
        path = f"/1.0/loadbalancer/{LB}/logs"
        self.assertEqual((await self.call("PUT", path, b"fish")).status, 400)
        self.assertEqual((await self.call("GET", path)).status, 404)
        good = encode(terms(syslog(1)))
        self.assertEqual((await self.call("PUT", path, good, fence=7)).status, 202)
        self.assertEqual((await self.call("PUT", path, good, fence=6)).status, 409)
