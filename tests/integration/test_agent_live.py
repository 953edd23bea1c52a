"""Members changed while haproxy runs: without a reload, and what runs is always what the file says."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import blockingCallFromThread, deferToThread
from twisted.web.client import Agent

from amphora import live
from amphora.master import Master
from amphora.statistics import parse
from tests.integration.agent_process import LB, MEMBER, AgentCase, real, run

OTHER = "66666666-6666-4666-8666-666666666666"
# What a server is: its address, its weight, whether it rests, and whether it is a backup.
Is = tuple[str, int, int, bool]
FIRST = "55555555-5555-4555-8555-5555555555{:02x}"


class LiveCase(AgentCase):
    """With a pool of any servers in place of the one."""

    def members(self, *servers: str, algorithm: str = "roundrobin") -> bytes:
        frontend, _, _ = self.configuration().partition(b"    server ")
        lines = "".join(f"    server {server}\n" for server in servers)
        return frontend + f"    balance {algorithm}\n    hash-type consistent\n    option httpchk\n{lines}".encode()

    def one(self, name: str = MEMBER, more: str = "weight 1") -> str:
        return f"{name} 127.0.0.1:{self.member} {more}"

    @property
    def master_socket(self) -> Master:
        return Master(real, self.agent_directory / "load_balancers" / LB)

    async def runs(self) -> dict[str, Is]:
        """What haproxy runs, by server."""
        rows = [row.split() for row in (await self.master_socket.states()).splitlines()]
        rows = [row for row in rows if len(row) > 18 and row[0].isdigit()]
        backups = {row["svname"] for row in parse(await self.master_socket.ask("@1 show stat")) if row["bck"] == "1"}
        return {row[3]: (f"{row[4]}:{row[18]}", int(row[7]), int(row[6]) & 1, row[3] in backups) for row in rows}

    def written(self) -> dict[str, Is]:
        """What the file says."""
        text = (self.agent_directory / "load_balancers" / LB / "haproxy.cfg").read_text()
        found = live.servers(text)
        return {n: (s.address, int(s.weight), int(s.rests), "backup" in s.options) for (_, n), s in found.items()}

    async def as_written(self) -> bool:
        return await self.runs() == self.written()


class Members(LiveCase):
    @run
    async def test_one_that_comes_serves_at_once_and_one_that_goes_no_more(self) -> None:
        await self.start()
        await self.serve(self.members(f"{MEMBER} 127.0.0.1:1 weight 1"))
        before = self.workers()
        self.assertFalse(await self.serves())
        await self.serve(self.members(self.one(OTHER)))
        self.assertTrue(await self.serves())
        await self.until(self.as_written)
        self.assertEqual(self.workers(), before)

    @run
    async def test_weights_and_rest_need_no_reload(self) -> None:
        await self.start()
        await self.serve(self.members(self.one(), self.one(OTHER)))
        before = self.workers()
        for more in ("weight 0", "weight 256", "weight 3 disabled", "weight 3"):
            await self.serve(self.members(self.one(), self.one(OTHER, more)))
            self.assertTrue(await self.as_written(), more)
        self.assertEqual(self.workers(), before)

    @run
    async def test_one_becomes_a_backup_and_is_none_any_more_without_a_reload(self) -> None:
        await self.start()
        await self.serve(self.members(self.one(), self.one(OTHER)))
        before = self.workers()
        for more in ("weight 1 backup", "weight 2", "weight 2 maxconn 100", "weight 1 backup disabled"):
            await self.serve(self.members(self.one(), self.one(OTHER, more)))
            self.assertTrue(await self.as_written(), more)
            self.assertTrue(await self.serves())
        self.assertEqual(self.workers(), before)

    @run
    async def test_not_where_nobody_else_would_be_left_or_somebody_is_served_by_it_for_long(self) -> None:
        await self.start()
        await self.serve(self.members(self.one()))
        before = self.workers()
        await self.serve(self.members(self.one(more="weight 1 backup")))
        self.assertTrue(await self.as_written())
        self.assertTrue(set(self.workers()) - set(before))
        held = Deferred.fromCoroutine(self.visit("/held", Agent(real)))
        await self.until(lambda: bool(self.back_end.held))
        await self.serve(self.members(self.one(more="weight 1 backup"), f"{OTHER} 127.0.0.1:1 weight 0 backup"))
        before = self.workers()
        await self.serve(self.members(self.one(), self.one(OTHER)))
        self.assertTrue(set(self.workers()) - set(before))
        self.assertTrue(await self.as_written())
        self.back_end.go_on()
        self.assertEqual((await held).body, b"member")

    @run
    async def test_one_that_comes_is_checked(self) -> None:
        await self.start()
        await self.serve(self.members(self.one()))
        await self.serve(self.members(self.one(), f"{OTHER} 127.0.0.1:1 check inter 100ms fall 1 rise 1"))

        async def down() -> bool:
            rows = (await self.master_socket.states()).splitlines()
            return any(row.split()[3:6:2] == [OTHER, "0"] for row in rows if OTHER in row)

        await self.until(down)

    @run
    async def test_who_is_served_by_one_that_goes_is_served_to_the_end(self) -> None:
        await self.start()
        await self.serve(self.members(self.one()))
        held = Deferred.fromCoroutine(self.visit("/held", Agent(real)))
        await self.until(lambda: bool(self.back_end.held))
        await self.serve(self.members(self.one(OTHER)))
        self.assertTrue(await self.serves())
        self.assertNoResult(held)
        self.assertIn(MEMBER, await self.runs())
        self.back_end.go_on()
        self.assertEqual((await held).body, b"member")
        await self.until(self.as_written)

    @run
    async def test_what_went_is_forgotten_by_the_next_agent_where_the_first_one_dies(self) -> None:
        child = await self.start()
        await self.serve(self.members(self.one()))
        held = Deferred.fromCoroutine(self.visit("/held", Agent(real)))
        await self.until(lambda: bool(self.back_end.held))
        await self.serve(self.members(self.one(OTHER)))
        self.kill(child)
        self.back_end.go_on()
        await held
        self.assertIn(MEMBER, await self.runs())
        await self.restart()
        await self.until(self.as_written)

    @run
    async def test_what_can_not_be_changed_live_is_reloaded_and_serves_the_same(self) -> None:
        await self.start()
        await self.serve(self.members(self.one()))
        before = self.workers()
        await self.serve(self.members(self.one(), self.one(OTHER), algorithm="static-rr"))
        await self.serve(self.members(self.one(), algorithm="static-rr"))
        await self.serve(
            self.members(self.one(), self.one(OTHER), algorithm="static-rr")
        )  # refused by haproxy at run time
        self.assertNotEqual(self.workers(), before)
        self.assertTrue(await self.as_written())
        self.assertTrue(await self.serves())

    @run
    async def test_a_hundred_changes_fail_no_request(self) -> None:
        await self.start()
        await self.serve(self.members(self.one()))
        before, failed, going = self.workers(), [], True

        async def ask() -> None:
            while going:
                answer = await self.visit()
                if answer.status != 200:
                    failed.append(answer)

        asking = [Deferred.fromCoroutine(ask()) for _ in range(4)]
        for number in range(50):
            more = [self.one(FIRST.format(i), f"weight {1 + number}") for i in range(number % 5)]
            await self.serve(self.members(*more, self.one(OTHER if number % 2 else MEMBER)))
        going = False
        await gatherResults(asking)
        self.assertEqual(failed, [])
        self.assertEqual(self.workers(), before)
        await self.until(self.as_written)


class Sequences(LiveCase):
    timeout = 180

    @run
    async def test_what_runs_is_what_the_file_says_after_any_changes(self) -> None:
        await self.start()
        await self.serve(self.members())
        weights = st.integers(0, 256)
        options = st.sampled_from(("", "backup", "check inter 60s fall 3 rise 2", "send-proxy-v2", "cookie x"))
        member = st.tuples(weights, options, st.booleans())
        steps = st.lists(st.dictionaries(st.integers(0, 5), member, max_size=6), min_size=1, max_size=6)

        @settings(max_examples=40, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(steps)
        def course(steps: list[dict[int, tuple[int, str, bool]]]) -> None:
            _from_thread(lambda: self._course(steps))

        await deferToThread(course)

    async def _course(self, steps: list[dict[int, tuple[int, str, bool]]]) -> None:
        for step in steps:
            lines = [
                self.one(FIRST.format(i), f"weight {weight} {options}{' disabled' if rests else ''}")
                for i, (weight, options, rests) in step.items()
            ]
            await self.serve(self.members(*lines))
            try:
                await self.until(self.as_written, 5)
            except self.failureException:
                self.assertEqual(await self.runs(), self.written(), "and stays so")


def _from_thread(course: Callable[[], Coroutine[Deferred[Any], Any, None]]) -> None:
    blockingCallFromThread(real, lambda: Deferred.fromCoroutine(course()))
