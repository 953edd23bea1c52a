"""The process that keeps the API's workers running."""

from __future__ import annotations

import socket
from contextlib import closing
from typing import Any

from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.logger import jsonFileLogObserver
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.errors import SettingsError, WorkerFailed
from octavia_tx.listening import Listen
from octavia_tx.tap.inheritance import LIFE, READY, STATUS, Inheritance
from octavia_tx.tap.workers import GRACE, Worker, Workers, logging_arguments, open_socket


class Process:
    """A worker's process, which the test lets say and do things."""

    pid = 7

    def __init__(self, worker: Worker) -> None:
        self.worker = worker
        self.heard: list[object] = []
        self.gone = False
        worker.transport = self

    def say(self, words: bytes) -> None:
        self.worker.childDataReceived(STATUS, words)

    def end(self, signal: int | None = None) -> None:
        self.gone = True
        reason = ProcessTerminated(signal=signal) if signal else ProcessDone(0)
        self.worker.processEnded(Failure(reason))

    def closeChildFD(self, descriptor: int) -> None:
        self.heard.append(descriptor)

    def signalProcess(self, name: str) -> None:
        if self.gone:
            raise ProcessExitedAlready
        self.heard.append(name)


class WorkersCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.processes: list[Process] = []
        self.left: list[int] = []
        self.full = False
        self.workers = Workers(self.clock, 2, self.spawn, self.left.append)
        self.started = self.workers.startService()

    def spawn(self, worker: Worker) -> None:
        if self.full:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        self.processes.append(Process(worker))

    def start(self) -> None:
        for process in self.processes:
            process.say(READY)
        self.successResultOf(self.started)


class Starting(WorkersCase):
    def test_all_have_to_be_ready(self) -> None:
        first, second = self.processes
        first.say(READY)
        self.assertNoResult(self.started)
        second.say(READY[:3])
        self.assertNoResult(self.started)
        second.say(READY[3:])
        self.successResultOf(self.started)
        self.assertEqual([p.worker.slot for p in self.processes], [0, 1])

    def test_one_that_says_why_it_cannot_ends_the_start_with_its_words(self) -> None:
        first, second = self.processes
        first.say(READY)
        second.say(b"There is no ")
        second.say("database – none.".encode())
        second.end()
        failure = self.failureResultOf(self.started, WorkerFailed)
        self.assertEqual(str(failure.value), "There is no database – none.")
        self.assertEqual(len(self.processes), 2)

    def test_one_that_dies_without_a_word_ends_the_start(self) -> None:
        self.processes[0].end(signal=11)
        self.assertIn("signal 11", str(self.failureResultOf(self.started, WorkerFailed).value))

    def test_those_that_are_starting_are_told_by_signal_to_end(self) -> None:
        ended = self.workers.stopService()
        for process in self.processes:
            self.assertEqual(process.heard, ["TERM"])
            process.end(signal=15)
        self.successResultOf(ended)
        self.assertNoResult(self.started)


class Running(WorkersCase):
    def setUp(self) -> None:
        super().setUp()
        self.start()

    def test_one_that_dies_is_replaced_at_once(self) -> None:
        self.processes[1].end(signal=9)
        self.assertEqual(self.left, [1])
        self.clock.advance(0)
        self.assertEqual([p.worker.slot for p in self.processes], [0, 1, 1])

    def test_one_that_keeps_dying_early_is_replaced_less_and_less_soon(self) -> None:
        waits = []
        for _ in range(8):
            self.processes[-1].end(signal=9)
            count, waited = len(self.processes), 0.0
            self.clock.advance(0)
            while len(self.processes) == count:
                self.clock.advance(0.5)
                waited += 0.5
            waits.append(waited)
        self.assertEqual(waits, [0, 1, 2, 4, 8, 16, 30, 30])

    def test_one_that_cannot_be_started_now_is_tried_again(self) -> None:
        self.full = True
        self.processes[0].end(signal=9)
        self.clock.advance(0)
        self.clock.advance(0)
        self.full = False
        self.clock.advance(1)
        self.assertEqual(len(self.processes), 3)

    def test_a_hangup_is_passed_on_to_those_who_understand_it(self) -> None:
        self.processes[0].end(signal=9)
        self.clock.advance(0)
        self.workers.hang_up()
        self.assertEqual([p.heard for p in self.processes], [[], ["HUP"], []])


class Ending(WorkersCase):
    def setUp(self) -> None:
        super().setUp()
        self.start()

    def test_all_are_let_end_in_order_and_waited_for(self) -> None:
        ended = self.workers.stopService()
        self.assertEqual([p.heard for p in self.processes], [[LIFE], [LIFE]])
        self.processes[0].end()
        self.assertNoResult(ended)
        self.processes[1].end()
        self.successResultOf(ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.processes), 2)

    def test_one_that_does_not_end_is_killed(self) -> None:
        ended = self.workers.stopService()
        self.processes[0].end()
        self.clock.advance(GRACE)
        self.assertEqual(self.processes[1].heard, [LIFE, "KILL"])
        self.processes[1].end(signal=9)
        self.successResultOf(ended)

    def test_one_that_was_to_be_replaced_is_not(self) -> None:
        self.processes[0].end(signal=9)
        ended = self.workers.stopService()
        self.processes[1].end()
        self.successResultOf(ended)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.processes), 2)


class Surroundings(SynchronousTestCase):
    def test_a_taken_port_is_told(self) -> None:
        with closing(open_socket(Listen("tcp", 0, "127.0.0.1"))) as taken:
            with self.assertRaises(SettingsError) as caught:
                open_socket(Listen("tcp", taken.getsockname()[1], "127.0.0.1"))
            self.assertIn("api.listen: port", str(caught.exception))

    def test_an_ipv6_socket_can_be_had(self) -> None:
        with closing(open_socket(Listen("tcp", 0, "::1"))) as opened:
            self.assertEqual(opened.family, socket.AF_INET6)

    def test_a_worker_finds_which_one_it_is(self) -> None:
        self.assertEqual(Inheritance.find(Inheritance(1, 3).environment()), Inheritance(1, 3))
        self.assertIsNone(Inheritance.find({}))

    def test_workers_log_where_their_parent_does(self) -> None:
        given: dict[str, Any]
        for given, wanted in (
            ({"nodaemon": True, "logfile": None}, []),
            ({"nodaemon": True, "logfile": "-"}, []),
            ({"nodaemon": True, "logfile": "/var/log/api.log"}, ["--logfile", "/var/log/api.log"]),
            (
                {"nodaemon": True, "logger": jsonFileLogObserver},
                ["--logger", "twisted.logger._json.jsonFileLogObserver"],
            ),
            ({"syslog": True, "prefix": "api"}, ["--syslog", "--prefix", "api"]),
        ):
            self.assertEqual(logging_arguments(given), wanted)
        option, file = logging_arguments({"nodaemon": False})
        self.assertTrue(file.startswith("/") and file.endswith("/twistd.log"), file)
