"""Members that are to be pinged, at a real agent: who pings them outlives it, is replaced, and ends when not wanted."""

from __future__ import annotations

import os
import shutil
import signal
import socket

from twisted.internet.task import deferLater

from amphora import pinger
from amphora.master import Master, MasterSilent
from amphora.process import identify
from amphora.statistics import parse
from tests.integration.agent_process import LB, MEMBER, AgentCase, real, run

OTHER = "66666666-6666-4666-8666-666666666666"
PING = """
    option tcp-check
    tcp-check connect addr unix@ping/socket
    tcp-check send-lf "%[srv_name]\\n"
    tcp-check expect string UP
"""
# Nobody listens there, but it answers pings; and to there nothing may be sent.
DEAF, NOWHERE = "127.0.0.1:1", "127.0.0.1:1 addr 255.255.255.255"


def may_ping() -> bool:
    """Whether this machine lets us."""
    try:
        pinger.Echo(socket.AF_INET).socket.close()
    except OSError:
        return False
    return True


class PingCase(AgentCase):
    def pinged(self, *servers: str) -> bytes:
        """A configuration with these members, which are to be pinged."""
        frontend, _, _ = self.configuration().partition(b"    server ")
        lines = "".join(f"    server {server} check inter 300ms fall 2 rise 1\n" for server in servers)
        return frontend + PING.encode() + lines.encode()

    def who_pings(self) -> int:
        """Its pid."""
        return int((self.agent_directory / "load_balancers" / LB / "ping" / "lock").read_text() or 0)

    async def says(self, *statuses: str) -> bool:
        """Whether haproxy says so of its members, in the order of their names."""
        try:
            answer = await Master(real, self.agent_directory / "load_balancers" / LB).ask("@1 show stat -1 4 -1")
        except MasterSilent:
            return False
        rows = sorted(parse(answer), key=lambda row: row["svname"])
        checked = all(row["check_status"].removeprefix("* ") not in ("", "INI") for row in rows)
        return checked and [row["status"] for row in rows] == list(statuses)


class Pinging(PingCase):
    skip = None if may_ping() else "This machine doesn't let us ping: be root."

    @run
    async def test_a_member_that_answers_is_up_and_one_that_comes_is_pinged_without_a_reload(self) -> None:
        await self.start()
        await self.serve(self.pinged(f"{MEMBER} {DEAF}"))
        await self.until(lambda: self.says("UP"))
        before = self.workers()
        await self.serve(self.pinged(f"{MEMBER} {DEAF}", f"{OTHER} {NOWHERE}"))
        await self.until(lambda: self.says("UP", "DOWN"))
        self.assertEqual(self.workers(), before)

    @run
    async def test_who_pings_outlives_the_agent_and_is_replaced_by_any_agent(self) -> None:
        child = await self.start()
        await self.serve(self.pinged(f"{MEMBER} {DEAF}"))
        await self.until(lambda: self.says("UP"))
        self.kill(child)
        first = self.who_pings()
        await deferLater(real, 1.5)  # more than two checks fail in this time where nobody pings
        self.assertTrue(await self.says("UP"))
        await self.restart()
        self.assertEqual(self.who_pings(), first)
        for _ in range(2):
            last = self.who_pings()
            os.kill(last, signal.SIGKILL)
            await self.until(lambda last=last: self.who_pings() not in (0, last))  # type: ignore[misc]
            await self.until(lambda: self.says("UP"))

    @run
    async def test_it_ends_with_the_load_balancer_and_comes_again(self) -> None:
        await self.start()
        for _ in range(2):
            await self.serve(self.pinged(f"{MEMBER} {DEAF}"))
            await self.until(lambda: self.says("UP"))
            pid = self.who_pings()
            self.assertEqual((await self.call("DELETE", f"/1.0/listeners/{LB}")).status, 200)
            await self.until(lambda pid=pid: identify(pid) is None)  # type: ignore[misc]

    @run
    async def test_it_ends_when_no_member_is_to_be_pinged_any_more(self) -> None:
        await self.start()
        await self.serve(self.pinged(f"{MEMBER} {DEAF}"))
        pid = self.who_pings()
        await self.serve()
        await self.until(lambda: identify(pid) is None)
        await self.serve(self.pinged(f"{MEMBER} {DEAF}"))
        await self.until(lambda: self.says("UP"))


class Refused(PingCase):
    before = ("setpriv", "--bounding-set=-net_raw", "--inh-caps=-net_raw")
    skip = None if os.geteuid() == 0 and shutil.which("setpriv") else "Rights are given up by root, with setpriv."

    @run
    async def test_an_amphora_that_may_not_ping_says_so(self) -> None:
        await self.start()
        answer = await self.upload(self.pinged(f"{MEMBER} {DEAF}"))
        self.assertEqual(answer.status, 400)
        self.assertIn("net.ipv4.ping_group_range", answer.json["details"])
        self.assertEqual((await self.upload()).status, 202)
