"""Health monitors of type PING, by haproxy itself and what pings for it, in a namespace of the test's own."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from amphora import pinger
from amphora.master import Master, MasterSilent
from amphora.statistics import parse
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.model.resources import Member, Pool
from octavia_tx.wire.rest import peer_name
from tests.amphora_driver.gallery import AMPHORA, listener, member, monitor, pool, tree

PATIENCE = 10.0
QUICK: dict[str, Any] = {"delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 1}
POOL = pool()
NO_ROOT = "Namespaces are made by root alone: run this test as root."


class PingTests(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.children: list[subprocess.Popen[bytes]] = []
        self.directory = Path(tempfile.mkdtemp(prefix="octavia-tx-test-"))
        self.addCleanup(shutil.rmtree, self.directory)
        (self.directory / "ping").mkdir()
        self.namespace = f"oxt-{uuid4().hex[:8]}-ping"
        if os.geteuid() == 0:
            self.addCleanup(subprocess.run, ["ip", "netns", "del", self.namespace], check=True)
            self.ip("netns", "add", self.namespace)
            self.within("link", "set", "lo", "up")
            self.has("192.0.2.10/32")  # the VIP
            self.addCleanup(self.end)

    def end(self) -> None:
        for child in self.children:
            child.kill()
            child.wait()
        # Workers, whose parent haproxy's master was.
        inside = subprocess.run(["ip", "netns", "pids", self.namespace], capture_output=True, text=True, check=False)
        for pid in inside.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)

    def ip(self, *arguments: str) -> None:
        subprocess.run(["ip", *arguments], check=True)

    def within(self, *arguments: str) -> None:
        self.ip("-n", self.namespace, *arguments)

    def has(self, *addresses: str) -> None:
        """These are the namespace's own, and answer."""
        for each in addresses:
            self.within("address", "add", each, "dev", "lo", *(("nodad",) if ":" in each else ()))

    def silence(self, address: str, *, over: bool = False) -> None:
        """Nothing comes back from there any more; or again."""
        if over:
            words = ["delete", "table", "inet", "silence"]
        else:
            subprocess.run(["ip", "netns", "exec", self.namespace, "nft", "add table inet silence"], check=True)
            chain = "add chain inet silence in { type filter hook input priority 0; }"
            subprocess.run(["ip", "netns", "exec", self.namespace, "nft", chain], check=True)
            family = "ip6" if ":" in address else "ip"
            words = ["add", "rule", "inet", "silence", "in", family, "daddr", address, "drop"]
        subprocess.run(["ip", "netns", "exec", self.namespace, "nft", *words], check=True)

    def run_inside(self, *command: str) -> None:
        with (self.directory / "log").open("ab") as log:
            self.children.append(
                subprocess.Popen(["ip", "netns", "exec", self.namespace, *command], stdout=log, stderr=log)
            )

    async def check(self, *members: Member, pool: Pool = POOL, **fields: Any) -> None:
        """Run haproxy with these members, and what pings them."""
        asked = monitor("PING", **{**QUICK, **fields})
        shown = tree(listener(), pool, *members, asked)
        (self.directory / "haproxy.cfg").write_text(Renderer().render(shown, AMPHORA))
        self.run_inside(sys.executable, "-I", "-S", pinger.__file__, str(self.directory))
        await self.until(lambda: (self.directory / "ping" / "socket").exists())
        options = ["-W", "-db", "-C", str(self.directory), "-S", "unix@master.sock", "-L", peer_name(AMPHORA)]
        self.run_inside(find_haproxy(), *options, "-f", str(self.directory / "haproxy.cfg"))
        self.master = Master(reactor, self.directory)

    async def until(self, holds: Any) -> None:
        deadline = reactor.seconds() + PATIENCE  # type: ignore[attr-defined]
        while not holds():
            said = (self.directory / "log").read_text()
            self.assertLess(reactor.seconds(), deadline, said)  # type: ignore[attr-defined]
            await deferLater(reactor, 0.02)  # type: ignore[arg-type]

    async def checked(self) -> dict[str, str]:
        """What haproxy says of each member that it has checked."""
        try:
            rows = parse(await self.master.ask("@1 show stat -1 4 -1"))
        except MasterSilent:
            return {}
        return {row["svname"]: row["status"] for row in rows if row["check_status"].removeprefix("* ") != "INI"}

    async def until_checked(self, *statuses: str) -> None:
        """Until members are so, in the order of their names."""
        deadline = reactor.seconds() + PATIENCE  # type: ignore[attr-defined]
        while (now := [status for _, status in sorted((await self.checked()).items())]) != list(statuses):
            said = (self.directory / "log").read_text()
            self.assertLess(reactor.seconds(), deadline, f"{now}: {said}")  # type: ignore[attr-defined]
            await deferLater(reactor, 0.05)  # type: ignore[arg-type]

    async def test_who_answers_pings_is_up_whatever_listens_there(self) -> None:
        self.has("198.51.100.1/32", "2001:db8::1/128")
        await self.check(member(1), member(2, address="2001:db8::1"), member(3))
        await self.until_checked("UP", "UP", "DOWN")  # 198.51.100.3 is nobody's

    async def test_who_stops_to_answer_is_down_and_up_again_when_it_answers(self) -> None:
        for address in ("198.51.100.1", "2001:db8::1"):
            self.has(f"{address}/{128 if ':' in address else 32}")
        await self.check(member(1), member(2, address="2001:db8::1"))
        await self.until_checked("UP", "UP")
        for address, statuses in (("198.51.100.1", ("DOWN", "UP")), ("2001:db8::1", ("UP", "DOWN"))):
            self.silence(address)
            await self.until_checked(*statuses)
            self.silence(address, over=True)
            await self.until_checked("UP", "UP")

    async def test_another_address_is_pinged_instead(self) -> None:
        self.has("198.51.100.1/32", "198.51.100.9/32")
        await self.check(member(1, monitor_address="198.51.100.8"), member(2, monitor_address="198.51.100.9"))
        await self.until_checked("DOWN", "UP")

    async def test_as_many_decide_as_told(self) -> None:
        self.has("198.51.100.1/32")
        await self.check(member(1), max_retries=2, max_retries_down=2)
        await self.until_checked("UP")
        self.silence("198.51.100.1")
        await self.until_checked("UP 1/2")
        await self.until_checked("DOWN")
        self.silence("198.51.100.1", over=True)
        await self.until_checked("DOWN 1/2")
        await self.until_checked("UP")

    async def test_proxy_protocol_and_tls_are_for_members_and_not_for_who_pings(self) -> None:
        self.has("198.51.100.1/32")
        await self.check(member(1), pool=evolve(POOL, protocol="PROXYV2", tls_enabled=True))
        await self.until_checked("UP")

    if os.geteuid() != 0:
        skip = NO_ROOT
