"""haproxy under the agent: reloads that nobody notices, failures that change nothing, deaths that are mended."""

from __future__ import annotations

import os
import shutil
import signal
import socket

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.web.client import Agent

from tests.integration.agent_process import LB, AgentCase, free_address, real, run


class Users:
    """Someone who asks one thing after the other, on connections that are kept."""

    def __init__(self, case: AgentCase) -> None:
        self._case = case
        self.answered = 0
        self.failures: list[str] = []
        self._on = True
        self._loops = [Deferred.fromCoroutine(self._ask(keeps)) for keeps in (True, True, False)]

    async def _ask(self, keeps: bool) -> None:
        agent = Agent(real, connectTimeout=5, pool=self._case.pool if keeps else None)
        while self._on:
            try:
                answer = await self._case.visit(agent=agent)
                if (answer.status, answer.body) != (200, b"member"):
                    self.failures.append(f"{answer.status} {answer.body!r}")
                self.answered += 1
            except Exception as e:  # noqa: BLE001 - any failure is a user's failure
                self.failures.append(repr(e))
            await deferLater(real, 0.002)

    async def end(self) -> None:
        self._on = False
        for loop in self._loops:
            await loop


class Reloading(AgentCase):
    @run
    async def test_reloads_fail_no_request(self) -> None:
        await self.start()
        await self.serve()
        users = Users(self)
        for i in range(10):
            await self.serve(self.configuration(more=f"maxconn {100 + i}"))
            await deferLater(real, 0.05)
        await users.end()
        self.assertEqual(users.failures, [])
        self.assertGreater(users.answered, 100)

    @run
    async def test_a_reload_cuts_no_answer_short(self) -> None:
        await self.start()
        await self.serve()
        slow = Deferred.fromCoroutine(self.visit("/slow"))
        await deferLater(real, 0.2)
        await self.serve(self.configuration(more="maxconn 50"))
        self.assertNoResult(slow)
        self.assertEqual((await slow).body, b"member")

    @run
    async def test_a_bad_configuration_changes_nothing(self) -> None:
        await self.start()
        await self.serve()
        users = Users(self)
        workers = self.workers()
        refused = await self.upload(self.configuration(more="fish"))
        self.assertEqual(refused.status, 400)
        self.assertIn("unknown keyword 'fish'", refused.json["details"])
        self.assertEqual((await self.call("GET", f"/1.0/loadbalancer/{LB}/haproxy")).body, self.configuration())
        await users.end()
        self.assertEqual((users.failures, self.workers()), ([], workers))

    @run
    async def test_a_reload_onto_a_taken_port_fails_no_request_and_puts_the_old_file_back(self) -> None:
        await self.start()
        await self.serve()
        users = Users(self)
        with socket.socket() as taken:
            taken.bind((self.vip, 0))
            taken.listen()
            wanted = f"bind {self.vip}:{taken.getsockname()[1]}"
            self.assertEqual((await self.upload(self.configuration(more=wanted))).status, 202)
            refused = await self.act("reload")
        self.assertEqual(refused.status, 500)
        self.assertIn("cannot bind socket (Address already in use)", refused.json["details"])
        self.assertEqual((await self.call("GET", f"/1.0/loadbalancer/{LB}/haproxy")).body, self.configuration())
        await deferLater(real, 0.3)
        await users.end()
        self.assertEqual(users.failures, [])
        self.assertEqual((await self.act("reload")).status, 202)

    @run
    async def test_what_only_haproxy_can_find_out_is_told_in_its_own_words(self) -> None:
        await self.start()
        await self.serve()
        # haproxy -c doesn't open sockets, and we don't look at those of UNIX.
        wanted = f"bind unix@/nonexistent-{self.vip_port}/socket"
        self.assertEqual((await self.upload(self.configuration(more=wanted))).status, 202)
        refused = await self.act("reload")
        self.assertEqual((refused.status, refused.json["message"]), (500, "Error reloading haproxy"))
        self.assertIn("UNIX socket", refused.json["details"])
        self.assertEqual((await self.call("GET", f"/1.0/loadbalancer/{LB}/haproxy")).body, self.configuration())
        self.assertTrue(await self.serves())
        self.assertEqual((await self.act("reload")).status, 202)

    @run
    async def test_changes_at_once_are_made_one_after_another(self) -> None:
        await self.start()
        await self.serve()
        changes = []
        for i in range(4):
            changes.append(Deferred.fromCoroutine(self.upload(self.configuration(more=f"maxconn {50 + i}"))))
            changes.append(Deferred.fromCoroutine(self.act("reload")))
        self.assertEqual([(await c).status for c in changes], [202] * 8)
        self.assertTrue(await self.serves())


class Starting(AgentCase):
    @run
    async def test_a_start_onto_a_taken_port_tells_haproxys_own_words_and_heals(self) -> None:
        await self.start()
        with socket.socket() as taken:
            taken.bind((self.vip, self.vip_port))
            taken.listen()
            await self.upload()
            refused = await self.act("start")
            self.assertEqual((refused.status, refused.json["message"]), (500, "Error starting haproxy"))
            self.assertIn("cannot bind socket", refused.json["details"])
            self.assertIn(f"{self.vip}:{self.vip_port}", refused.json["details"])
        await self.until(self.serves)

    @run
    async def test_a_corrected_configuration_starts_at_once(self) -> None:
        await self.start()
        with socket.socket() as taken:
            taken.bind((self.vip, self.vip_port))
            taken.listen()
            await self.upload()
            self.assertEqual((await self.act("start")).status, 500)
            self.vip, self.vip_port = free_address()
            await self.serve()
            self.assertTrue(await self.serves())


class Dying(AgentCase):
    @run
    async def test_a_killed_worker_is_replaced_within_a_second(self) -> None:
        await self.start()
        await self.serve()
        for _ in range(2):
            (worker,) = self.workers()
            os.kill(worker, signal.SIGKILL)
            self.assertLess(await self.until(self.serves), 1)
        self.assertEqual(len(self.haproxies()), 2)

    @run
    async def test_a_killed_master_is_replaced_within_a_second(self) -> None:
        await self.start()
        await self.serve()
        master, workers = self.master(), self.workers()
        os.kill(master, signal.SIGKILL)
        self.assertLess(await self.until(lambda: self.master() != master), 1)
        self.assertLess(await self.until(self.serves), 1)
        await self.until(lambda: len(self.haproxies()) == 2)
        self.assertFalse(set(workers) & set(self.haproxies()))

    @run
    async def test_after_a_refused_reload_and_a_death_the_old_configuration_serves(self) -> None:
        await self.start()
        await self.serve()
        await self.upload(self.configuration(more=f"bind unix@/nonexistent-{self.vip_port}/socket"))
        self.assertEqual((await self.act("reload")).status, 500)
        (worker,) = self.workers()
        os.kill(worker, signal.SIGKILL)
        self.assertLess(await self.until(self.serves), 1)


class Outliving(AgentCase):
    @run
    async def test_a_killed_agent_finds_its_haproxy_again(self) -> None:
        agent = await self.start()
        await self.serve()
        before = sorted(self.haproxies())
        users = Users(self)
        self.kill(agent)
        await deferLater(real, 0.2)
        await self.restart()
        await deferLater(real, 0.3)
        self.assertEqual(sorted(self.haproxies()), before)
        await self.serve(self.configuration(more="maxconn 50"))
        await users.end()
        self.assertEqual(users.failures, [])
        self.assertEqual(self.master(), min(before))
        await self.until(lambda: len(self.workers()) == 1)  # the one before the reload is heard to its end first
        (worker,) = self.workers()
        os.kill(worker, signal.SIGKILL)
        self.assertLess(await self.until(self.serves), 1)
        self.assertEqual((await self.call("DELETE", f"/1.0/listeners/{LB}")).status, 200)
        self.assertEqual(self.haproxies(), [])

    @run
    async def test_an_agent_told_to_end_ends_and_haproxy_serves_on(self) -> None:
        agent = await self.start()
        await self.serve()
        self.kill(agent, signal.SIGTERM)
        self.assertNotIn("Traceback", self.log())
        self.assertIn("Server Shut Down", self.log())
        self.assertTrue(await self.serves())

    @run
    async def test_an_agent_starts_what_lies_on_its_disk_without_any_controller(self) -> None:
        host, port = free_address()
        self.controllers = [f"https://{host}:{port}"]
        agent = await self.start()
        await self.serve()
        self.kill(agent)
        for pid in self.haproxies():
            os.kill(pid, signal.SIGKILL)
        await self.until(lambda: not self.haproxies())
        half = self.agent_directory / "load_balancers" / LB / "haproxy.cfg.x.tmp"
        half.write_text("half a fi")
        await self.restart()
        await self.until(self.serves)
        self.assertFalse(half.exists())

    @run
    async def test_a_haproxy_that_hangs_is_replaced(self) -> None:
        agent = await self.start()
        await self.serve()
        self.kill(agent)
        hanging = self.haproxies()
        for pid in hanging:
            os.kill(pid, signal.SIGSTOP)
        await self.restart()
        await self.until(self.serves)
        self.assertNotIn(self.master(), hanging)

    @run
    async def test_a_haproxy_whose_directory_was_removed_by_hand_does_not_serve_beside_the_next(self) -> None:
        agent = await self.start()
        await self.serve()
        before = self.haproxies()
        self.kill(agent)
        shutil.rmtree(self.agent_directory / "load_balancers" / LB)
        await self.restart()
        await self.serve()
        await self.until(lambda: not set(self.haproxies()) & set(before))
        self.assertEqual(len(self.haproxies()), 2)
        self.assertTrue(await self.serves())

    @run
    async def test_a_second_agent_in_the_same_directory_is_told_to_go(self) -> None:
        await self.start()
        second = self.launch()
        await self.until(lambda: second.poll() is not None)
        self.assertEqual(second.returncode, 1)
        self.assertIn("Another agent runs in", self.log())
        self.assertNotIn("Traceback", self.log())

    @run
    async def test_a_taken_port_ends_the_agent_with_a_sentence(self) -> None:
        self.place()
        with socket.socket() as taken:
            taken.bind((self.host, self.port))
            taken.listen()
            child = self.launch()
            await self.until(lambda: child.poll() is not None)
        self.assertEqual(child.returncode, 1)
        self.assertIn("The agent can't listen", self.log())
        self.assertNotIn("Traceback", self.log())
