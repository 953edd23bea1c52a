"""The process compute driver with real processes: a stand-in for the agent shows what the driver does by itself."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

from attrs import evolve
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import TestCase

from octavia_tx.cloud.process import ProcessCompute
from octavia_tx.interfaces import IComputeDriver
from octavia_tx.model.amphora import Boot
from octavia_tx.testing.compute import make_compute_driver_tests, plain_boot
from tests.integration.machines import STANDIN, agents, controller, naming, own_directory, sleep
from tests.integration.signals import interruptible

CONTROLLER = """
import sys
from pathlib import Path
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from octavia_tx.cloud.process import ProcessCompute
from octavia_tx.testing.compute import plain_boot

root, standin, amphora_id = sys.argv[1:]
def command(place):
    return (sys.executable, standin, "--config", f"{place.directory}/agent.toml")
compute = ProcessCompute(reactor, Path(root), "haproxy", command=command)
compute.startService()
def made(machine):
    print("made", flush=True)
reactor.callWhenRunning(lambda: Deferred.fromCoroutine(compute.ensure(plain_boot(amphora_id))).addCallback(made))
reactor.addSystemEventTrigger("before", "shutdown", compute.stopService)
reactor.run()
"""


async def _compute(case: TestCase) -> IComputeDriver:
    return controller(case)


class ProcessComputeContractTests(make_compute_driver_tests(_compute)):  # type: ignore[misc]
    """L{ProcessCompute} keeps the contract."""


class ProcessComputeTests(TestCase):
    """What else it promises."""

    def setUp(self) -> None:
        self.root = own_directory(self)
        self.amphora_id = str(uuid4())
        self.directory = self.root / self.amphora_id

    async def up(self, compute: ProcessCompute, boot: Boot | None = None) -> int:
        """The only agent's process, once its child runs too."""
        await compute.ensure(boot or plain_boot(self.amphora_id))
        return await self.agent()

    async def agent(self, *, not_: int = 0) -> int:
        for _ in range(400):  # a busy machine, and a pause before the third start in a row
            found = agents(self.directory)
            if found and found != [not_] and (self.directory / "child").exists() and len(naming(self.directory)) == 2:
                (agent,) = found
                return agent
            await sleep(0.03)
        raise AssertionError(f"No agent: {naming(self.directory)}")

    async def test_a_killed_agent_runs_again_within_two_seconds(self) -> None:
        killed = await self.up(controller(self))
        os.kill(killed, signal.SIGKILL)
        for _ in range(66):
            if agents(self.directory) not in ([], [killed]):
                return
            await sleep(0.03)
        self.fail("It doesn't run again.")

    async def test_nothing_is_left_of_a_destroyed_machine(self) -> None:
        compute = controller(self)
        await self.up(compute)
        await compute.destroy(self.amphora_id)
        self.assertEqual(naming(self.directory), {})
        self.assertEqual([path.name for path in self.root.iterdir()], ["lock"])

    async def test_agents_that_ignore_the_request_to_end_are_killed(self) -> None:
        compute = controller(self)
        boot = plain_boot(self.amphora_id)
        await self.up(compute, evolve(boot, files={**boot.files, "agent.toml": b"# stubborn\n"}))
        await compute.destroy(self.amphora_id)
        self.assertEqual(naming(self.directory), {})

    async def test_destroying_ends_processes_whose_agent_is_dead(self) -> None:
        compute = controller(self)
        agent = await self.up(compute)
        await compute.stopService()
        os.kill(agent, signal.SIGKILL)
        await sleep(0.1)
        self.assertEqual(len(naming(self.directory)), 1)
        await compute.destroy(self.amphora_id)
        self.assertEqual(naming(self.directory), {})

    async def test_a_machine_whose_directory_was_removed_by_hand_is_ended_and_made_anew(self) -> None:
        compute = controller(self)
        before = await self.up(compute)
        shutil.rmtree(self.directory)
        self.assertIsNone(await compute.find(self.amphora_id))
        self.assertNotEqual(await self.up(compute), before)
        self.assertEqual(len(naming(self.directory)), 2)
        shutil.rmtree(self.directory)
        await compute.destroy(self.amphora_id)
        self.assertEqual(naming(self.directory), {})

    async def test_two_controllers_on_one_directory_start_one_agent(self) -> None:
        one, other = controller(self), controller(self)
        boot = plain_boot(self.amphora_id)
        await gatherResults([Deferred.fromCoroutine(c.ensure(boot)) for c in (one, other, one)])
        agent = await self.agent()
        await sleep(1.2)
        self.assertEqual(agents(self.directory), [agent])
        os.kill(agent, signal.SIGKILL)
        again = await self.agent(not_=agent)
        await sleep(1.2)
        self.assertEqual(agents(self.directory), [again])

    async def test_a_second_controller_finds_the_machine_and_starts_nothing(self) -> None:
        before = controller(self)
        agent = await self.up(before)
        made = await before.find(self.amphora_id)
        await before.stopService()
        after = controller(self)
        self.assertEqual(await after.find(self.amphora_id), made)
        self.assertEqual(await after.list(), (made,))
        await sleep(1.2)
        self.assertEqual(agents(self.directory), [agent])

    async def test_no_zombie_stays(self) -> None:
        compute = controller(self)
        killed = await self.up(compute)
        await compute.destroy(self.amphora_id)
        self.assertFalse(Path("/proc", str(killed)).exists())

    async def test_a_machine_has_a_session_of_its_own_and_little_environment(self) -> None:
        os.environ["OCTAVIA_TX_DATABASE__DSN"] = "postgresql://secret"
        self.addCleanup(os.environ.pop, "OCTAVIA_TX_DATABASE__DSN")
        agent = await self.up(controller(self))
        self.assertEqual(os.getsid(agent), agent)
        self.assertNotIn(b"secret", Path("/proc", str(agent), "environ").read_bytes())
        self.assertIn("agent", (self.directory / "agent.log").read_text())
        self.assertEqual((self.directory / "agent.log").stat().st_mode & 0o777, 0o600)


class ControllersEndTests(TestCase):
    """Machines outlive the controller, however it ends."""

    async def ended_by(self, number: signal.Signals, *, group: bool = False) -> None:
        root, amphora_id = own_directory(self), str(uuid4())
        arguments = [sys.executable, "-c", CONTROLLER, str(root), str(STANDIN), amphora_id]
        process = subprocess.Popen(arguments, stdout=subprocess.PIPE, start_new_session=True)

        def end() -> None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

        self.addCleanup(end)
        assert process.stdout is not None
        self.assertEqual(process.stdout.readline(), b"made\n")
        (agent,) = agents(root / amphora_id)
        (os.killpg if group else os.kill)(process.pid, number)
        process.wait(10)
        self.assertEqual(agents(root / amphora_id), [agent])
        compute = controller(self)
        found = await compute.find(amphora_id)
        assert found is not None
        self.assertTrue(found.running)
        await sleep(1.2)
        self.assertEqual(agents(root / amphora_id), [agent])
        await compute.destroy(amphora_id)
        self.assertEqual(naming(root / amphora_id), {})

    async def test_killed(self) -> None:
        await self.ended_by(signal.SIGKILL)

    async def test_terminated(self) -> None:
        await self.ended_by(signal.SIGTERM)

    async def test_interrupted_at_a_terminal(self) -> None:
        interruptible(self)
        await self.ended_by(signal.SIGINT, group=True)
