"""A whole Octavia-TX for tests: real processes in a temporary directory, on free ports, ended whatever happens."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase

from octavia_tx.cloud.loopback import IPV4_SUBNET_ID
from octavia_tx.demo import processes
from octavia_tx.demo.stage import Stage
from octavia_tx.demo.tenant import Tenant
from tests.integration.ports import free_port


class System(Stage):
    """@ivar settings: environment of the controller beyond the stage's own."""

    settings: dict[str, str]

    @classmethod
    def build(cls, reactor: Any) -> System:
        """On ports that are free now."""
        ports = {"api": free_port(), "amphora_api": free_port(), "health": free_port(socket.SOCK_DGRAM)}
        return cls(reactor, Path(tempfile.mkdtemp(prefix="octavia-tx-test-")), ports)

    def environment(self) -> dict[str, str]:
        return {**super().environment(), **self.settings}

    def start_dying_controller(self, step: str, moment: str, later: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """A controller that dies at that moment of that step, see L{dying_controller}; gives its process."""
        launcher = Path(__file__).with_name("dying_controller.py")
        arguments = [step, moment, ",".join(later), "--", *processes.controller_command(self.directory)[2:]]
        command = [sys.executable, str(launcher), *arguments]
        child = processes.start(command, self.environment(), self.directory / "controller.log")
        self._children["controller"] = child
        return child

    def kill_controller(self) -> None:
        """C{kill -9}."""
        self.kill_back_end("controller")

    def end_controller(self) -> subprocess.Popen[bytes]:
        """Ask the controller to end; gives its process."""
        child = self._children["controller"]
        child.terminate()
        return child

    def running(self, word: str) -> list[int]:
        """Pids of this system's processes whose command line holds a word."""
        return [pid for pid, command in self.left().items() if word in command]


def with_children(pids: list[int]) -> list[int]:
    """Processes, and those whose parent they are: PostgreSQL's own name nothing in their command lines."""
    found = list(pids)
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(entry.read_text().rpartition(")")[2].split()[1]) in pids:
                found.append(int(entry.parent.name))
    return found


class SystemCase(TestCase):
    """
    Has C{self.system}, not started, and C{self.tenant}.

    @cvar settings: environment of the controller.
    """

    settings: dict[str, str] = {}
    timeout = 240

    def setUp(self) -> None:
        self.system = System.build(reactor)
        self.system.settings = self.settings
        self.tenant: Tenant = self.system.tenant
        self.addCleanup(lambda: Deferred.fromCoroutine(self.system.clear()))

    def tearDown(self) -> None:
        if not self._passed:  # type: ignore[attr-defined]
            sys.stderr.write(self.system.last_words())

    async def pause(self, seconds: float) -> None:
        await deferLater(reactor, seconds)  # type: ignore[arg-type]

    async def until_killed(self, controller: subprocess.Popen[bytes], where: str) -> None:
        """Until a controller has died as L{dying_controller} is told to; C{where} says at which point."""
        for _ in range(1000):
            if controller.poll() is not None:
                break
            await self.pause(0.02)
        self.assertEqual(controller.poll(), -signal.SIGKILL, f"it never comes to {where}")

    async def create_load_balancer(self, port: int = 8080, **members: int) -> dict[str, Any]:
        """A tree with an HTTP listener, a pool, members by name and port, and a health monitor; not waited for."""
        pool = {
            "name": "pool", "protocol": "HTTP", "lb_algorithm": "ROUND_ROBIN",
            "members": [{"name": n, "address": "127.0.0.1", "protocol_port": p} for n, p in members.items()],
            "healthmonitor": {"type": "HTTP", "delay": 1, "timeout": 1, "max_retries": 1, "max_retries_down": 2},
        }  # fmt: skip
        listener = {"name": "web", "protocol": "HTTP", "protocol_port": port, "default_pool": pool}
        return await self.tenant.create(
            "/loadbalancers", "loadbalancer", name="lb", vip_subnet_id=IPV4_SUBNET_ID, listeners=[listener]
        )

    async def until_active(self, load_balancer: str, seconds: float = 30) -> dict[str, Any]:
        shown = await self.tenant.wait_for(
            f"/loadbalancers/{load_balancer}",
            "loadbalancer",
            lambda s: bool(s and s["provisioning_status"] == "ACTIVE"),
            seconds,
        )
        assert shown is not None
        return shown

    async def until_gone(self, load_balancer: str, seconds: float = 30) -> None:
        await self.tenant.wait_for(f"/loadbalancers/{load_balancer}", "loadbalancer", lambda s: s is None, seconds)
