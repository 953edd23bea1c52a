"""How soon an agent tells what haproxy saw, whatever becomes of datagrams, of the agent, and of haproxy's log."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.web.client import Agent

from amphora.alarm import SOCKET
from octavia_tx.wire import envelope, heartbeat
from octavia_tx.wire.envelope import Kind
from tests.integration.agent_process import KEY, LB, LISTENER, MEMBER, AgentCase, real, run
from tests.integration.haproxy_process import ask_haproxy

LOG = "    log unix@alarm.sock format raw daemon notice\n"


class Answering(DatagramProtocol):
    """
    A receiver that keeps what alerts say, and when it came, and acknowledges them.

    @ivar loses: whether a datagram, by its number, is lost on its way; and so C{mute} for answers.
    """

    def __init__(self) -> None:
        self.heard: list[tuple[float, str, str]] = []
        self.alerts = 0
        self.loses: Callable[[int], bool] = lambda _number: False
        self.mute: Callable[[int], bool] = lambda _number: False

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        header, body = envelope.unseal(KEY, datagram)
        if header.kind is not Kind.ALERT:
            return
        self.alerts += 1
        if self.loses(self.alerts):
            return
        report = heartbeat.decode(body)
        words = [(m.member_id, m.status) for m in report.members] + [
            (r.listener_id, r.status) for r in report.listeners
        ]
        self.heard += [(time.time(), *word) for word in words]
        if not self.mute(self.alerts):
            assert self.transport is not None
            self.transport.write(envelope.answer(KEY, Kind.ACKNOWLEDGEMENT, header), addr)

    def when(self, thing: str, status: str, since: float) -> float | None:
        """When this was first heard after that time."""
        return next((at for at, *word in self.heard if word == [thing, status] and at >= since), None)


class AlertCase(AgentCase):
    """The member's port can be closed and opened; haproxy checks it 20 times a second, and says at once what it saw."""

    log_target = LOG

    def setUp(self) -> None:
        super().setUp()
        self.alert_receivers: list[Answering] = []
        self.receivers = [self.listen(f"127.0.0.{n}") for n in (2, 3)] + [self.listen("::1")]

    def listen(self, host: str) -> str:
        receiver = Answering()
        self.alert_receivers.append(receiver)
        port = real.listenUDP(0, receiver, interface=host)
        self.addCleanup(port.stopListening)
        return f"[{host}]:{port.getHost().port}" if ":" in host else f"{host}:{port.getHost().port}"

    def configuration(self, *, more: str = "", check: str = "check inter 50ms fall 1 rise 1") -> bytes:
        text = super().configuration(more=more, check=check).decode()
        return text.replace("defaults\n", f"{self.log_target}defaults\n    log global\n").encode()

    def tell(self, command: str) -> float:
        """Have haproxy do something, as its operator would; gives the time just before."""
        began = time.time()
        ask_haproxy(self.agent_directory / "load_balancers" / LB / "worker.sock", command)
        return began

    async def until_told(self, status: str, since: float, thing: str = MEMBER, seconds: float = 15) -> float:
        """Wait until any receiver was told; gives the seconds since then."""

        def found() -> list[float]:
            heard = [r.when(thing, status, since) for r in self.alert_receivers]
            return [at for at in heard if at is not None]

        await self.until(lambda: bool(found()), seconds)
        return min(found()) - since

    async def begin(self) -> None:
        await self.start()
        await self.serve()
        await self.until_told("UP", 0.0)
        await deferLater(real, 0.6)

    async def down_and_up(self) -> list[float]:
        """The seconds until each of the two was told."""
        taken = []
        for command, status in (("disable", "MAINT"), ("enable", "UP")):
            since = self.tell(f"{command} server {self.backend}/{MEMBER}")
            taken.append(await self.until_told(status, since))
        return taken

    @property
    def backend(self) -> str:
        return next(
            line.split()[1] for line in self.configuration().decode().splitlines() if line.startswith("backend")
        )


class Promptness(AlertCase):
    """With haproxy logging to the agent."""

    @run
    async def test_a_members_change_is_told_well_within_half_a_second(self) -> None:
        await self.begin()
        taken = [seconds for _ in range(5) for seconds in await self.down_and_up()]
        self.assertLess(max(taken), 0.35, taken)

    @run
    async def test_a_listener_that_is_full_and_that_it_is_no_more(self) -> None:
        await self.start()
        await self.serve(self.configuration(more="maxconn 1"))
        await self.until_told("UP", 0.0)
        for _ in range(3):
            began = time.time()
            held = self.visit("/held", Agent(real, connectTimeout=5))
            asked = Deferred.fromCoroutine(held)
            self.assertLess(await self.until_told("FULL", began, LISTENER), 0.5)
            began = time.time()
            self.back_end.go_on()
            await asked
            self.assertLess(await self.until_told("OPEN", began, LISTENER), 0.5)

    @run
    async def test_it_holds_after_a_restart_of_the_agent(self) -> None:
        await self.begin()
        self.kill(self.agents[-1])
        await self.restart()
        await deferLater(real, 1.5)
        self.assertLess(max(await self.down_and_up()), 0.35)

    @run
    async def test_it_holds_after_the_socket_was_removed(self) -> None:
        await self.begin()
        directory = self.agent_directory / "load_balancers" / LB
        (directory / SOCKET).unlink()
        await self.until(lambda: (directory / SOCKET).exists())
        self.assertLess(max(await self.down_and_up()), 0.35)

    @run
    async def test_nothing_is_left_of_a_load_balancer_that_was_removed(self) -> None:
        await self.begin()
        self.assertEqual((await self.call("DELETE", f"/1.0/listeners/{LB}")).status, 200)
        await deferLater(real, 1.5)
        self.assertFalse((self.agent_directory / "load_balancers" / LB).exists())
        sockets = Path("/proc/net/unix").read_text()
        self.assertNotIn(str(self.agent_directory), sockets)


class WithoutLog(AlertCase):
    """With a text that has haproxy log nowhere."""

    log_target = ""

    @run
    async def test_a_glance_shows_it_soon(self) -> None:
        await self.begin()
        for _ in range(3):
            self.assertLess(max(await self.down_and_up()), 0.6)
