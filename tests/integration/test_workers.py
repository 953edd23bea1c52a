"""C{octavia-api --workers 2}: real processes on one port, which die, are told to end, or lose their parent."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from octavia_tx.demo import processes
from octavia_tx.tap.inheritance import VARIABLE
from tests.integration.ports import free_port
from tests.integration.postgres import PostgresCase
from tests.integration.signals import interruptible

TWISTD = [sys.executable, str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile="]
HEAD = "GET /v2/lbaas/pools HTTP/1.1\r\nHost: a\r\n"


class WorkersCase(PostgresCase):
    timeout = 90

    async def _prepare(self) -> None:
        await super()._prepare()
        self.directory = Path(tempfile.mkdtemp(prefix="octavia-tx-test-"))
        self.port = free_port()
        self.environment = {
            "OCTAVIA_TX_STATE__DIRECTORY": str(self.directory / "state"),
            "OCTAVIA_TX_API__LISTEN": f"tcp:{self.port}:interface=127.0.0.1",
            "OCTAVIA_TX_DATABASE__DSN": self.dsn,
        }
        self.addCleanup(lambda: Deferred.fromCoroutine(self.end_all()))

    async def end_all(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            processes.end(list(processes.belonging(self.directory)), number)
            with contextlib.suppress(AssertionError):
                await self.until(lambda: not processes.belonging(self.directory), 5)
        shutil.rmtree(self.directory)

    async def until(self, what: Callable[[], object], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                self.fail(f"It doesn't come true:\n{self.log()}")
            await deferLater(reactor, 0.05)  # type: ignore[arg-type]

    def log(self) -> str:
        path = self.directory / "api.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def start(self, *options: str, twistd: tuple[str, ...] = (), **environment: str) -> subprocess.Popen[bytes]:
        command = [*TWISTD, *twistd, "octavia-api", "--workers", "2", *options]
        child = processes.start(command, {**self.environment, **environment}, self.directory / "api.log")
        self.addCleanup(child.poll)
        return child

    async def started(self, twistd: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        parent = self.start(twistd=twistd)
        await self.until(lambda: "workers" in self.log().partition("served by ")[2])
        return parent

    def workers(self) -> dict[str, int]:
        """The workers' process ids, by which worker they are."""
        found = {}
        for pid in processes.belonging(self.directory):
            with contextlib.suppress(OSError):
                match = re.search(rf"\0{VARIABLE}=(\d)/2\0", Path(f"/proc/{pid}/environ").read_text(errors="replace"))
                if match:
                    found[match[1]] = pid
        return found

    @contextmanager
    def client(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as client:
            yield client

    def ask(self, client: socket.socket, rest: str = "\r\n") -> str:
        client.sendall((HEAD + rest).encode())
        heard = b""
        while b'"pools":[]' not in heard:
            data = client.recv(65536)
            if not data:
                raise ConnectionResetError(heard.decode())
            heard += data
        return heard.decode()

    def rest(self, client: socket.socket, last: str = "\r\n") -> str:
        """What is answered until the connection is closed, once the last of a request is sent."""
        client.sendall(last.encode())
        heard = b""
        while data := client.recv(65536):
            heard += data
        return heard.decode()

    def spread(self) -> Counter[int]:
        """How many connections each worker holds."""
        places = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        ours = {f"socket:[{p[9]}]" for p in places if int(p[1].rpartition(":")[2], 16) == self.port and p[3] == "01"}
        found: Counter[int] = Counter()
        for pid in self.workers().values():
            for descriptor in Path(f"/proc/{pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    found[pid] += os.readlink(descriptor) in ours
        return found


class Serving(WorkersCase):
    async def test_both_answer(self) -> None:
        await self.started()
        with ExitStack() as stack:
            clients = [stack.enter_context(self.client()) for _ in range(20)]
            for client in clients:
                await deferToThread(self.ask, client)
            spread = self.spread()
        self.assertEqual(sum(spread.values()), 20)
        self.assertGreaterEqual(min(spread.values()), 8, spread)

    async def test_each_line_of_a_request_ends_with_its_ids(self) -> None:
        await self.started()
        given = "req-0a1b2c3d-1111-4222-8333-0123456789ab"
        request = HEAD.replace("GET", "DELETE").replace("pools", "pools/x") + f"X-Openstack-Request-Id: {given}\r\n"
        with self.client() as client:
            client.sendall(request.encode())
            heard = await deferToThread(self.rest, client, "Connection: close\r\n\r\n")
        own = re.search("X-Openstack-Request-Id: (.*)\r\n", heard)
        assert own is not None, heard
        self.assertIn(f"X-Openstack-Global-Request-Id: {given}\r\n", heard)
        await self.until(lambda: f": 404 [{own[1]} {given}]\n" in self.log(), 5)

    async def test_a_log_of_json_lines_has_the_ids_as_fields(self) -> None:
        await self.started(("--logger", "octavia_tx.tracing.json_lines"))
        with self.client() as client:
            client.sendall(HEAD.replace("GET", "DELETE").replace("pools", "pools/x").encode())
            await deferToThread(self.rest, client, "Connection: close\r\n\r\n")
        await self.until(lambda: '"status": 404' in self.log(), 5)
        (event,) = [e for e in map(json.loads, self.log().splitlines()) if e.get("status") == 404]
        self.assertRegex(event["request_id"], r"\Areq-[0-9a-f-]{36}\Z")

    async def test_requests_go_on_while_one_dies_and_comes_back(self) -> None:
        await self.started()
        before = self.workers()
        os.kill(before["0"], signal.SIGKILL)
        await self.until(lambda: self.workers().get("0") != before["0"], 5)
        for _ in range(20):
            with self.client() as client:
                await deferToThread(self.ask, client)
        await self.until(lambda: self.log().count("worker 0 serves") == 2)
        after = self.workers()
        self.assertEqual(after["1"], before["1"])
        self.assertNotEqual(after["0"], before["0"])
        self.assertIn("signal 9", self.log())
        with ExitStack() as stack:
            for _ in range(10):
                await deferToThread(self.ask, stack.enter_context(self.client()))
            self.assertGreaterEqual(min(self.spread().values()), 3)

    async def test_a_hangup_reaches_all_and_ends_none(self) -> None:
        parent = await self.started()
        before = self.workers()
        parent.send_signal(signal.SIGHUP)
        await self.until(lambda: self.log().count("SIGHUP: ") == 2)
        self.assertEqual((self.workers(), parent.poll()), (before, None))


class Ending(WorkersCase):
    async def test_on_sigterm_requests_under_way_are_answered_and_nothing_is_left(self) -> None:
        parent = await self.started()
        with ExitStack() as stack:
            clients = [stack.enter_context(self.client()) for _ in range(6)]
            for client in clients:
                client.sendall(HEAD.encode())
            await self.until(lambda: sum(self.spread().values()) == 6)
            parent.terminate()
            await self.until(lambda: self.log().count(f"TCP Port {self.port} Closed") == 2)
            for client in clients:
                heard = await deferToThread(self.rest, client)
                self.assertIn("200 OK", heard)
                self.assertIn("Connection: close", heard)
        await self.until(lambda: parent.poll() is not None)
        self.assertEqual(parent.returncode, -signal.SIGTERM)
        self.assertEqual(processes.belonging(self.directory), {})
        for word in ("Traceback", "Unhandled", "CRITICAL", "#critical", "killed"):
            self.assertNotIn(word, self.log())

    async def test_workers_end_when_their_parent_is_killed(self) -> None:
        parent = await self.started()
        self.assertEqual(len(self.workers()), 2)
        parent.kill()
        await self.until(lambda: not processes.belonging(self.directory), 10)
        self.assertEqual(self.log().count("Server Shut Down"), 2)
        self.assertNotIn("Traceback", self.log())

    async def test_a_signal_to_the_whole_group_is_no_trouble(self) -> None:
        interruptible(self)
        parent = await self.started()
        os.killpg(parent.pid, signal.SIGINT)
        await self.until(lambda: parent.poll() is not None)
        await self.until(lambda: not processes.belonging(self.directory), 5)
        self.assertNotIn("Traceback", self.log())


class NotStarting(WorkersCase):
    async def ended(self, **environment: str) -> None:
        parent = self.start(**environment)
        await self.until(lambda: parent.poll() is not None)
        self.assertEqual(parent.returncode, 1, self.log())
        self.assertEqual(processes.belonging(self.directory), {})
        self.assertNotIn("Traceback", self.log())

    async def test_a_worker_that_cannot_start_ends_the_parent_with_its_sentence(self) -> None:
        await self.ended(OCTAVIA_TX_DATABASE__DSN="garbage")
        last = [line for line in self.log().splitlines() if "can't start: " in line][-1]
        self.assertIn("database.dsn isn't a PostgreSQL connection string", last)

    async def test_a_taken_port_ends_the_parent_before_any_worker(self) -> None:
        with socket.create_server(("127.0.0.1", self.port)):
            await self.ended()
        self.assertIn("can't start: api.listen: port", self.log())
        self.assertNotIn("worker", self.log())

    async def test_a_number_that_cannot_be_is_told(self) -> None:
        for number in ("0", "-1", "many", "257"):
            parent = self.start("--workers", number)
            await self.until(lambda: parent.poll() is not None)  # noqa: B023
            self.assertEqual(parent.returncode, 1)
            self.assertNotIn("Traceback", self.log())


class Embedded(WorkersCase):
    async def test_workers_join_the_private_database_of_a_controller(self) -> None:
        self.environment["OCTAVIA_TX_DATABASE__DSN"] = ""
        self.environment["OCTAVIA_TX_AMPHORA_API__LISTEN"] = "tcp:0:interface=127.0.0.1"
        command = [*TWISTD, "octavia-controller", "--without-api", "--without-health"]
        controller = processes.start(command, self.environment, self.directory / "controller.log")
        self.addCleanup(controller.poll)
        parent = await self.started()
        with self.client() as client:
            await deferToThread(self.ask, client)
        parent.terminate()
        await self.until(lambda: parent.poll() is not None)
        self.assertEqual(self.workers(), {})
        self.assertIsNone(controller.poll())
