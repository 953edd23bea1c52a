"""What logging costs the agent: memory, processor time, and its API's answers, at many lines a second."""

from __future__ import annotations

import os
import time
from pathlib import Path

from twisted.internet.task import LoopingCall, deferLater

from octavia_tx.amphora_driver.logs import Signing
from octavia_tx.wire.logs import Store
from tests.integration.agent_process import LB, real, run
from tests.integration.log_receivers import Streams
from tests.integration.swift import KEY, shared_swift
from tests.integration.test_agent_logs import Case, syslog

SECONDS = 20.0
LINE = (
    b"<6>e5d6a1c0 22222222-2222-4222-8222-222222222222 33333333-3333-4333-8333-333333333333 198.51.100.7 51234 "
    b'28/Nov/2026:19:20:21.123 "GET /some/path?%012d HTTP/1.1" 200 512 130 0 "-" pool member 12 ---- '
    + b"x" * 80
    + b"\n"
)


def memory(pid: int, field: str = "VmHWM") -> float:
    """In MB, at most so far."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition(f"{field}:")[2].split()[0]) / 1024


def processor(pid: int) -> float:
    """Seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Rate(Case):
    timeout = 240

    async def measure(self, rate: int) -> tuple[float, float, float, int]:
        """Largest memory, share of a processor, longest answer, and lines that found no room."""
        agent = self.agents[-1]
        pipe = os.open(self.agent_directory / "load_balancers" / LB / "access.pipe", os.O_WRONLY | os.O_NONBLOCK)
        written, lost, began = 0, 0, time.monotonic()

        def write() -> None:
            nonlocal written, lost
            while written + lost < rate * (time.monotonic() - began):
                try:
                    os.write(pipe, LINE % written)
                    written += 1
                except BlockingIOError:
                    lost += 1

        writing = LoopingCall(write)
        used, longest = processor(agent.pid), 0.0
        writing.start(0.01)
        while time.monotonic() - began < SECONDS:
            asked = time.monotonic()
            await self.call("GET", "/1.0/info")
            longest = max(longest, time.monotonic() - asked)
            await deferLater(real, 0.25)
        writing.stop()
        os.close(pipe)
        share = (processor(agent.pid) - used) / (time.monotonic() - began)
        self.written = written
        return memory(agent.pid), share, longest, lost

    async def held(self, rate: int, share: float) -> None:
        swift, receiver = shared_swift(), Streams()
        store = Store(name="swift", url=f"{swift.url}/octavia/")
        signing = Signing(store=store, container=f"{swift.account}/lb-logs", key=KEY, validity=600)
        await self.log_to(
            syslog(receiver.listen(self)),
            signing.for_prefix(f"{self.id()}/", time.time()),
            rotate_bytes=4 << 20,
            spool=64 << 20,
        )
        found = await self.measure(rate)
        self.measured = f"{found[0]:.1f} MB, {found[1]:.0%}, {found[2] * 1000:.0f} ms, {found[3]} lost"
        await self.until(lambda: len(receiver.messages) >= self.written, 60)
        self.assertEqual(found[3], 0, self.measured)
        self.assertLess(found[0], 60, self.measured)
        self.assertLess(found[1], share, self.measured)
        self.assertLess(found[2], 0.5, self.measured)

    @run
    async def test_a_thousand_lines_a_second_cost_little(self) -> None:
        await self.held(1000, 0.3)

    @run
    async def test_five_thousand_lines_a_second_are_taken(self) -> None:
        await self.held(5000, 0.9)
