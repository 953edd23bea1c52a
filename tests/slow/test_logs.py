"""More of what a real agent ships, as in C{tests.integration.test_agent_logs}."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from octavia_tx.demo.tenant import Visitor
from tests.integration import test_agent_logs, test_agent_logs_swift
from tests.integration.agent_process import LB, LISTENER, MEMBER, POOL, real, run
from tests.integration.haproxy_process import ask_haproxy
from tests.integration.log_receivers import Datagrams, Streams
from tests.integration.swift import KEY, shared_swift
from tests.integration.system import SystemCase
from tests.integration.test_agent_logs import FORMAT, Case, syslog, terms, texts


class ToSyslog(Case):
    @run
    async def test_a_long_line_is_cut_to_what_receivers_take_in_a_datagram(self) -> None:
        receiver = Datagrams()
        await self.start()
        text = FORMAT.replace("%ST", f"%ST {'x' * 3000}")
        await self.put_terms(terms(syslog(receiver.listen(self), "udp")))
        await self.serve(self.configuration(more=text))
        await self.until(self.serves)
        await self.until(lambda: bool(receiver.messages))
        self.assertEqual(receiver.largest, 2048)

    @run
    async def test_nobody_at_the_other_end_of_udp_is_told(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind(("127.0.0.1", 0))
            port = silent.getsockname()[1]
        await self.log_to(syslog(port, "udp"))
        await self.visits("/a")

        async def told() -> bool:
            return "nobody listens" in str((await self.status())["targets"]["udp"]["problem"])

        await self.until(told)

    @run
    async def test_who_does_not_read_keeps_no_other_target_waiting(self) -> None:
        quick, deaf = Streams(), Streams()
        port = deaf.listen(self)
        await self.log_to(
            syslog(quick.listen(self)), evolve(syslog(port), name="deaf"), spool=1 << 16, rotate_bytes=1 << 13
        )
        await self.until(lambda: bool(deaf.connections))
        for connection in deaf.connections:
            connection.transport.pauseProducing()
        count = 0

        async def dropped() -> bool:
            nonlocal count
            await self.visits(*(f"/{'x' * 900}{count + number:06d}" for number in range(50)))  # for which there's room
            count += 50
            await self.until(lambda: f"{count - 1:06d} 200" in quick.messages[-1].text)
            return bool((await self.status())["targets"]["deaf"]["dropped"] > 0)

        await self.until(dropped, 60)
        self.assertEqual(len([text for text in texts(quick.messages) if "/x" in text]), count)
        self.assertEqual((await self.status())["targets"]["tcp"]["dropped"], 0)

    @run
    async def test_a_pipe_that_overflows_is_told_of(self) -> None:
        receiver = Streams()
        await self.log_to(syslog(receiver.listen(self)))
        await self.visits("/first")
        await self.until(lambda: "GET /first 200" in texts(receiver.messages))
        self.kill(self.agents[-1])
        pipe = self.agent_directory / "load_balancers" / LB / "access.pipe"
        descriptor = os.open(pipe, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, descriptor)
        for size in (1000, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(descriptor, b"<4>" + b"x" * size + b"\n")
        await self.visits("/a", "/b", "/c")
        await self.restart()
        await self.until(lambda: any("# " in text for text in texts(receiver.messages)), 30)
        told = [message for message in receiver.messages if message.text.startswith("# ")]
        self.assertEqual(told[0].text, "# 3 lines were dropped here")

    @run
    async def test_what_haproxy_says_of_itself_and_nobody_hears_is_no_lost_line(self) -> None:
        receiver = Streams()
        await self.start()
        await self.put_terms(terms(syslog(receiver.listen(self))))
        alarm = "    log unix@alarm.sock format raw daemon notice\n"
        text = self.configuration(more=FORMAT).decode().replace("defaults\n", f"{alarm}defaults\n    log global\n")
        await self.serve(text.encode())
        await self.until(self.serves)
        await self.until(lambda: self.counted() == 0)
        self.agents[-1].send_signal(signal.SIGSTOP)
        worker = self.agent_directory / "load_balancers" / LB / "worker.sock"
        for state in ("maint", "ready") * 20:
            ask_haproxy(worker, f"set server {POOL}:{LISTENER}/{MEMBER} state {state}")
        self.agents[-1].send_signal(signal.SIGCONT)
        await self.until(lambda: self.counted() > 0, 30)
        await self.visits("/last")
        await self.until(lambda: "GET /last 200" in texts(receiver.messages))
        self.assertEqual([text for text in texts(receiver.messages) if text.startswith("# ")], [])

    def counted(self) -> int:
        """What haproxy counted as lost, as the agent has last heard; -1: it hasn't."""
        path = self.agent_directory / "logs" / LB / "losses.json"
        return sum(json.loads(path.read_bytes()).values()) if path.exists() else -1


class Leaving(test_agent_logs.LeavingCase):
    @run
    async def test_what_can_not_be_shipped_in_time_is_given_up(self) -> None:
        receiver = Streams()
        port = receiver.listen(self)
        await receiver.close()
        await self.log_to(syslog(port), farewell=0.5)
        await self.visits("/a")
        await self.remove()
        await self.until(self.gone)
        self.assertIn("are given up", self.log())

    @run
    async def test_a_farewell_is_gone_on_with_by_the_next_agent(self) -> None:
        receiver = Streams()
        port = receiver.listen(self)
        await receiver.close()
        await self.log_to(syslog(port), farewell=20.0)
        await self.visits("/a")
        await self.remove()
        self.kill(self.agents[-1])
        receiver.listen(self, port)
        await self.restart()
        await self.until(self.gone)
        self.assertIn("GET /a 200", texts(receiver.messages))

    @run
    async def test_one_that_comes_back_meanwhile_goes_on_with_its_log(self) -> None:
        receiver = Streams()
        port = receiver.listen(self)
        await receiver.close()
        await self.log_to(syslog(port), farewell=20.0)
        await self.visits("/a")
        await self.remove()
        await self.put_terms(terms(syslog(port)))
        await self.serve(self.configuration(more=FORMAT))
        receiver.listen(self, port)
        await self.visits("/b")
        await self.until(lambda: "GET /b 200" in texts(receiver.messages))
        self.assertIn("GET /a 200", texts(receiver.messages))


class ToSwift(test_agent_logs_swift.SwiftCase):
    @run
    async def test_a_token_that_ends_is_replaced(self) -> None:
        with self.swift.keystone.lifetime(3):
            await self.log_to(self.by_credential(), rotate_after=0.3)
            for number in range(4):
                await self.visits(f"/{number}")
                await self.until(lambda last=f"GET /{number} 200": last in self.lines())
                await deferLater(real, 1.2)  # some of its life

    @run
    async def test_a_credential_that_may_not_put_is_not_let_in(self) -> None:
        await self.log_to(self.by_credential("GET"), rotate_after=0.3)
        await self.visits("/a")
        await self.problem("401")

    @run
    async def test_a_missing_container_is_told(self) -> None:
        store = self.by_credential()
        await self.log_to(evolve(store, url=store.url.replace("lb-logs", "nowhere")), rotate_after=0.3)
        await self.visits("/a")
        await self.problem("answered 4")


class Dying(Case):
    """An agent that is killed again and again while many use the load balancer."""

    timeout = 120

    @run
    async def test_every_line_comes_and_in_order_and_few_come_twice(self) -> None:
        receiver = Streams()
        await self.log_to(syslog(receiver.listen(self)), rotate_bytes=1 << 14, spool=1 << 24)
        count, visiting = 0, True

        async def visits() -> None:
            nonlocal count
            while visiting:
                await self.visit(f"/{count:06d}")
                count += 1

        users = Deferred.fromCoroutine(visits())
        for number in range(6):
            await deferLater(real, 1.0 + number / 7)
            self.kill(self.agents[-1])
            await deferLater(real, 0.3)
            await self.restart()
        visiting = False
        await users
        await self.until(lambda: f"GET /{count - 1:06d} 200" in texts(receiver.messages), 30)
        came = [int(text[5:11]) for text in texts(receiver.messages) if text != "GET / 200"]
        self.assertGreater(count, 1000)
        self.assertEqual(list(dict.fromkeys(came)), list(range(count)))
        self.assertLess(len(came), count * 2)


class OfASystem(SystemCase):
    """A whole system whose load balancers are logged to a Swift, by temporary URLs that the controller signs."""

    def setUp(self) -> None:
        self.swift = shared_swift()
        target = "OCTAVIA_TX_LOG_TARGETS__ARCHIVE__"
        self.settings = {
            f"{target}KIND": "swift", f"{target}URL": self.swift.url, f"{target}TEMP_URL_KEY": KEY,
            "OCTAVIA_TX_LOGS__ENABLED": "true", "OCTAVIA_TX_LOGS__FORMAT": "%ST {{ amphora_id }}",
        }  # fmt: skip
        super().setUp()

    async def test_each_load_balancers_lines_are_below_its_own_prefix_and_the_last_ones_too(self) -> None:
        self.system.start_controller()
        await self.system.wait_for_api()
        made = await self.create_load_balancer(nobody=9)
        shown = await self.until_active(made["id"])
        user = Visitor(real, shown["vip_address"], 8080)
        for _ in range(3):
            await user.visit()
        await self.tenant.call("DELETE", f"/loadbalancers/{made['id']}?cascade=true")
        await self.until_gone(made["id"])
        found = self.swift.objects(f"octavia/{made['project_id']}/{made['id']}/")
        ((name, lines),) = found.items()
        amphora, _, _ = name.partition("/")
        self.assertEqual(lines, f"503 {amphora}\n" * 3)
