"""Tests of C{octavia_tx.cloud.process}: what it does and when, on an invented host."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Coroutine, Iterable, Sequence
from pathlib import Path
from signal import SIGKILL, SIGTERM, Signals
from typing import Any, BinaryIO, TypeVar
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.cloud.machines import Machines, Place
from octavia_tx.cloud.process import ProcessCompute, agent_command
from octavia_tx.cloud.processes import Processes
from octavia_tx.errors import CloudError
from octavia_tx.model.amphora import Machine
from octavia_tx.testing.compute import plain_boot

T = TypeVar("T")


class Host(Processes):
    """
    A host whose processes are only noted down.

    @ivar deaf: signals that these processes survive, by id.
    """

    def __init__(self) -> None:
        super().__init__()
        self.alive: dict[int, tuple[str, Path]] = {}
        self.deaf: dict[int, set[Signals]] = {}
        self.started: list[Path] = []
        self.signals: list[tuple[str, Signals]] = []
        self.refuse: OSError | None = None

    def begin(self, kind: str, directory: Path) -> int:
        pid = 100 + len(self.signals) + len(self.alive) + len(self.started)
        self.alive[pid] = (kind, directory)
        return pid

    def agents(self, directories: Iterable[Path]) -> dict[Path, int]:
        wanted = set(directories)
        return {where: pid for pid, (kind, where) in self.alive.items() if kind == "agent" and where in wanted}

    def agents_of(self, directory: Path) -> frozenset[int]:
        return frozenset(pid for pid, process in self.alive.items() if process == ("agent", directory))

    def all_of(self, directory: Path) -> frozenset[int]:
        return frozenset(pid for pid, (_kind, where) in self.alive.items() if where == directory)

    def start(self, directory: Path, arguments: Sequence[str]) -> int:
        self.started.append(directory)
        if self.refuse is not None:
            raise self.refuse
        return self.begin("agent", directory)

    def signal(self, directory: Path, pids: Iterable[int], number: Signals) -> None:
        for pid in set(pids) & self.all_of(directory):
            self.signals.append((self.alive[pid][0], number))
            if number not in self.deaf.get(pid, ()):
                del self.alive[pid]


class ProcessComputeTests(SynchronousTestCase):
    """L{ProcessCompute}."""

    def setUp(self) -> None:
        self.clock, self.host = Clock(), Host()
        self.root = Path(self.mktemp()).resolve()
        self.machines = Machines(self.root, lambda address: True)
        self.compute = self.controller()
        self.amphora_id = str(uuid4())

    def controller(self) -> ProcessCompute:
        compute = ProcessCompute(
            self.clock, self.root, "/haproxy", processes=self.host, machines=Machines(self.root, lambda address: True)
        )
        self.addCleanup(lambda: compute.running and compute.stopService())
        return compute

    def now(self, work: Coroutine[Deferred[Any], Any, T]) -> T:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def later(self, work: Coroutine[Deferred[Any], Any, T], seconds: float) -> T:
        waiting = Deferred.fromCoroutine(work)
        self.assertNoResult(waiting)
        self.pass_time(seconds)
        return self.successResultOf(waiting)

    def pass_time(self, seconds: float) -> None:
        self.clock.pump([0.05] * round(seconds / 0.05))

    def ensure(self) -> Machine:
        return self.now(self.compute.ensure(plain_boot(self.amphora_id)))

    def kill(self, kind: str = "agent") -> None:
        self.host.alive = {pid: process for pid, process in self.host.alive.items() if process[0] != kind}

    @property
    def directory(self) -> Path:
        return self.root / self.amphora_id

    def test_the_agents_command_names_its_directory_and_address(self) -> None:
        command = agent_command("/usr/sbin/haproxy", Place(self.amphora_id, self.directory, "127.64.0.1"))
        self.assertEqual(command[0], sys.executable)
        self.assertIn("--pidfile=", command)
        at = command.index("octavia-amphora-agent")
        listen = "tcp:9443:interface=127.64.0.1"
        expected = ("--config", f"{self.directory}/agent.toml", "--listen", listen, "--haproxy", "/usr/sbin/haproxy")
        self.assertEqual(command[at + 1 :], expected)

    def test_a_machine_is_running_while_its_agent_is(self) -> None:
        self.assertTrue(self.ensure().running)
        self.kill()
        found = self.now(self.compute.find(self.amphora_id))
        assert found is not None
        self.assertFalse(found.running)

    def test_ensuring_waits_for_whoever_holds_the_lock(self) -> None:
        lock = self.machines.lock()
        assert lock is not None
        waiting = Deferred.fromCoroutine(self.compute.ensure(plain_boot(self.amphora_id)))
        self.pass_time(1)
        self.assertNoResult(waiting)
        lock.close()
        self.pass_time(0.05)
        self.assertEqual(self.successResultOf(waiting).amphora_id, self.amphora_id)

    def test_a_lock_that_is_never_given_back_is_an_error_that_may_pass(self) -> None:
        lock = self.machines.lock()
        assert lock is not None
        self.addCleanup(lock.close)
        waiting = Deferred.fromCoroutine(self.compute.ensure(plain_boot(self.amphora_id)))
        self.pass_time(6)
        self.failureResultOf(waiting, CloudError)

    def test_a_dead_agent_is_started_again_within_a_second(self) -> None:
        self.compute.startService()
        self.ensure()
        self.pass_time(20)
        self.kill()
        self.pass_time(1.05)
        self.assertEqual(self.host.started, [self.directory] * 2)

    def test_one_that_keeps_dying_is_started_less_and_less_often(self) -> None:
        self.compute.startService()
        self.ensure()
        for _ in range(120 * 20):
            self.kill()
            self.clock.advance(0.05)
        self.assertTrue(6 <= len(self.host.started) <= 10, len(self.host.started))

    def test_one_damaged_machine_is_told_of_once_and_the_others_go_on(self) -> None:
        self.compute.startService()
        self.ensure()
        other = str(uuid4())
        self.now(self.compute.ensure(plain_boot(other)))
        (self.directory / "machine.toml").write_text("address = ")
        told: list[str] = []
        events = lambda event: told.append(event["log_format"])  # noqa: E731
        globalLogPublisher.addObserver(events)
        self.addCleanup(globalLogPublisher.removeObserver, events)
        self.pass_time(5)
        self.assertEqual(len([t for t in told if "damaged" in t]), 1)
        self.assertEqual(
            {m.amphora_id: m.running for m in self.now(self.compute.list())}, {self.amphora_id: False, other: True}
        )
        self.host.alive = {p: process for p, process in self.host.alive.items() if process[1] == self.directory}
        self.pass_time(1.05)
        self.assertEqual(self.host.started[2:], [self.root / other])
        self.now(self.compute.ensure(plain_boot(str(uuid4()))))

    def test_a_damaged_machine_is_mended_when_its_agent_is_started_again(self) -> None:
        self.compute.startService()
        made = self.ensure()
        (self.directory / "machine.toml").unlink()
        self.pass_time(20)
        self.kill()
        self.pass_time(1.05)
        self.assertEqual(self.now(self.compute.find(self.amphora_id)), made)

    def test_a_damaged_machine_that_cannot_be_mended_is_tried_less_and_less_often(self) -> None:
        self.compute.startService()
        self.ensure()
        (self.directory / "machine.toml").unlink()
        (self.directory / "machine.toml").mkdir()
        self.kill()
        self.pass_time(60)
        self.assertTrue(3 <= len(self.flushLoggedErrors(CloudError)) <= 10)
        self.now(self.compute.destroy(self.amphora_id))
        self.assertFalse(self.directory.exists())

    def test_a_damaged_machine_that_is_asked_for_is_mended_and_started_anew(self) -> None:
        made = self.ensure()
        self.host.begin("haproxy", self.directory)
        (self.directory / "machine.toml").write_text("")
        again = self.later(self.compute.ensure(plain_boot(self.amphora_id)), 0.5)
        self.assertEqual(again, made)
        self.assertEqual(self.host.signals, [("agent", SIGTERM), ("haproxy", SIGTERM)])
        self.assertEqual([kind for kind, _ in self.host.alive.values()], ["agent"])

    def test_a_damaged_machine_is_destroyed(self) -> None:
        self.ensure()
        (self.directory / "machine.toml").write_text("")
        self.later(self.compute.destroy(self.amphora_id), 0.5)
        self.assertEqual(self.host.alive, {})
        self.assertEqual(list(self.root.iterdir()), [self.root / "lock"])

    def test_what_runs_of_a_removed_machine_is_ended_before_it_is_made_anew(self) -> None:
        made = self.ensure()
        self.host.begin("haproxy", self.directory)
        shutil.rmtree(self.directory)
        self.assertIsNone(self.now(self.compute.find(self.amphora_id)))
        self.assertEqual(self.now(self.compute.list()), ())
        # What its agent wrote since.
        (self.directory / "load_balancers").mkdir(parents=True)
        self.assertIsNone(self.now(self.compute.find(self.amphora_id)))
        again = self.later(self.compute.ensure(plain_boot(self.amphora_id)), 0.5)
        self.assertEqual(again, made)
        self.assertEqual(self.host.signals, [("agent", SIGTERM), ("haproxy", SIGTERM)])
        self.assertEqual(self.host.started, [self.directory] * 2)
        self.assertFalse((self.directory / "load_balancers").exists())

    def test_one_that_cannot_be_started_is_tried_again(self) -> None:
        self.compute.startService()
        self.ensure()
        self.kill()
        self.host.refuse = OSError("no more processes")
        self.pass_time(5)
        self.assertNotEqual(self.flushLoggedErrors(CloudError), [])
        self.host.refuse = None
        self.pass_time(10)
        self.assertEqual(len(self.host.alive), 1)

    def test_a_failure_of_this_host_is_a_cloud_error(self) -> None:
        self.host.refuse = OSError("no more processes")
        failed = Deferred.fromCoroutine(self.compute.ensure(plain_boot(self.amphora_id)))
        self.failureResultOf(failed, CloudError)

    def test_a_restarted_controller_starts_nothing_twice(self) -> None:
        made = self.ensure()
        after = self.controller()
        after.startService()
        self.pass_time(5)
        self.assertEqual(self.now(after.find(self.amphora_id)), made)
        self.assertEqual(len(self.host.started), 1)

    def test_a_restarted_controller_starts_what_died_meanwhile(self) -> None:
        self.ensure()
        self.kill()
        self.controller().startService()
        self.assertEqual(len(self.host.alive), 1)

    def test_machines_run_on_when_the_controller_stops(self) -> None:
        self.compute.startService()
        self.ensure()
        self.successResultOf(self.compute.stopService())
        self.assertEqual(len(self.host.alive), 1)
        self.kill()
        self.pass_time(10)
        self.assertEqual(len(self.host.started), 1)

    def test_the_agent_ends_before_haproxy_does(self) -> None:
        self.ensure()
        self.host.alive[1] = ("haproxy", self.directory)
        self.later(self.compute.destroy(self.amphora_id), 0.5)
        self.assertEqual(self.host.signals, [("agent", SIGTERM), ("haproxy", SIGTERM)])
        self.assertEqual(list(self.root.iterdir()), [self.root / "lock"])

    def test_whoever_does_not_end_is_killed_after_a_second(self) -> None:
        self.ensure()
        (agent,) = self.host.alive
        self.host.deaf[agent] = {SIGTERM}
        self.later(self.compute.destroy(self.amphora_id), 1.5)
        self.assertEqual(self.host.signals, [("agent", SIGTERM), ("agent", SIGKILL)])

    def test_what_cannot_be_killed_is_an_error_and_stays_condemned(self) -> None:
        self.ensure()
        (agent,) = self.host.alive
        self.host.deaf[agent] = {SIGTERM, SIGKILL}
        failed = Deferred.fromCoroutine(self.compute.destroy(self.amphora_id))
        self.pass_time(7)
        self.assertIn(str(agent), str(self.failureResultOf(failed, CloudError).value))
        self.assertEqual(self.machines.condemned(), (self.amphora_id,))

    def test_a_machine_being_destroyed_is_found_but_not_revived(self) -> None:
        self.compute.startService()
        self.ensure()
        self.machines.condemn(self.amphora_id)
        self.kill()
        self.pass_time(5)
        self.assertEqual(len(self.host.started), 1)
        found = self.now(self.compute.find(self.amphora_id))
        assert found is not None
        self.assertFalse(found.running)

    def die_while_another_holds_the_lock(self) -> BinaryIO:
        self.compute.startService()
        self.ensure()
        lock = self.machines.lock()
        assert lock is not None
        self.addCleanup(lock.close)
        self.kill()
        self.pass_time(1.05)
        return lock

    def test_what_another_destroyed_meanwhile_is_not_revived(self) -> None:
        lock = self.die_while_another_holds_the_lock()
        self.machines.condemn(self.amphora_id)
        lock.close()
        self.pass_time(1)
        self.assertEqual(len(self.host.started), 1)

    def test_what_another_started_meanwhile_is_not_started_twice(self) -> None:
        lock = self.die_while_another_holds_the_lock()
        self.host.begin("agent", self.directory)
        lock.close()
        self.pass_time(1)
        self.assertEqual(len(self.host.started), 1)

    def test_a_machine_being_destroyed_cannot_be_asked_for(self) -> None:
        self.ensure()
        self.machines.condemn(self.amphora_id)
        self.failureResultOf(Deferred.fromCoroutine(self.compute.ensure(plain_boot(self.amphora_id))), CloudError)

    def test_an_interrupted_deletion_is_finished_by_the_next_start(self) -> None:
        self.ensure()
        self.host.begin("haproxy", self.directory)
        self.machines.condemn(self.amphora_id)
        (self.root / ".new-half").mkdir()
        self.controller().startService()
        self.pass_time(1)
        self.assertEqual(self.host.alive, {})
        self.assertEqual(list(self.root.iterdir()), [self.root / "lock"])

    def test_an_interrupted_deletion_is_finished_by_another_call(self) -> None:
        self.ensure()
        self.machines.condemn(self.amphora_id)
        self.later(self.compute.destroy(self.amphora_id), 0.5)
        self.assertEqual(list(self.root.iterdir()), [self.root / "lock"])

    def test_processes_whose_directory_was_removed_by_hand_are_ended_too(self) -> None:
        self.host.begin("haproxy", self.directory)
        self.later(self.compute.destroy(self.amphora_id), 0.5)
        self.assertEqual(self.host.alive, {})
