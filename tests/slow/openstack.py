"""OpenStack's own controller, and an agent of ours that it boots and drives."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ProcessTerminated
from twisted.internet.protocol import ProcessProtocol
from twisted.trial.unittest import SkipTest

from tests.integration.agent_process import (
    AMPHORA,
    HAPROXY,
    LB,
    LISTENER,
    MEMBER,
    POOL,
    AgentCase,
    give,
    real,
    rootless,
)

VENV = Path(sys.prefix)
PYTHON = VENV / "octavia" / "bin" / "python"
INSTALLED = VENV / ".octavia"
CONTROLLER = Path(__file__).with_name("openstack_controller.py")
KEY = "any text, and not of 32 bytes"
Tree = dict[str, Any]


class Refused(Exception):
    """The controller's driver raised something; its class's name is C{args[0]}."""


class Conversation(ProcessProtocol):
    """Lines to a process, and its answers, in turn."""

    def __init__(self) -> None:
        self.waiting: list[Deferred[Any]] = []
        self.said = b""
        self.ended: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        *lines, self.said = (self.said + data).split(b"\n")
        for line in lines:
            kind, *rest = json.loads(line)
            waiter = self.waiting.pop(0)
            waiter.callback(rest[0]) if kind == "answer" else waiter.errback(Refused(*rest))

    def ask(self, *words: Any) -> Deferred[Any]:
        """The answer to a line; fails with L{Refused}."""
        transport: Any = self.transport
        self.waiting.append(Deferred())
        if words:
            transport.write(json.dumps(words).encode() + b"\n")
        return self.waiting[-1]

    def processEnded(self, reason: Any) -> None:
        for waiter in self.waiting:
            waiter.errback(reason)
        self.ended.callback(None)


class ControllerCase(AgentCase):
    """
    Has a controller of OpenStack's.

    @cvar topology: of its load balancers.
    @cvar vrrp_ip: the amphora's own address beside the VIP.
    """

    topology = "SINGLE"
    vrrp_ip = "203.0.113.5"
    timeout = 180

    def setUp(self) -> None:
        if not INSTALLED.exists():
            raise SkipTest("OpenStack's Octavia isn't installed: make .venv/.octavia")
        super().setUp()
        self.base = self.directory / "base"
        self.agent_directory = self.base  # where our agent keeps what it writes
        return Deferred.fromCoroutine(self._begin())  # type: ignore[return-value]

    def mktemp(self) -> str:
        """A short path, since sockets lie there."""
        directory = tempfile.mkdtemp(prefix="octavia-tx-test-")
        self.addCleanup(subprocess.run, ["rm", "-rf", directory], check=True)
        return f"{directory}/d"

    async def _begin(self) -> None:
        self.controller = Conversation()
        settings = {
            "haproxy_amphora": {
                "base_path": self.base, "base_cert_dir": self.memory / "certs", "bind_host": self.host,
                "bind_port": self.port, "haproxy_cmd": HAPROXY, "connection_max_retries": 3,
                "connection_retry_interval": 1,
            },
            "amphora_agent": {
                "agent_server_ca": self.directory / "client_ca_of_agent.pem",
                "agent_server_cert": self.directory / "server.pem",
            },
            "health_manager": {
                "bind_ip": "127.0.0.1", "bind_port": 0, "heartbeat_key": KEY, "heartbeat_interval": 1,
            },
        }  # fmt: skip
        arguments = [
            *self.beside(),
            str(PYTHON),
            str(CONTROLLER),
            str(self.directory),
            json.dumps(settings, default=str),
        ]
        errors = (self.directory / "controller.log").open("wb")
        self.process = real.spawnProcess(
            self.controller,
            arguments[0],
            arguments,
            env={"PATH": "/usr/bin:/bin"},
            childFDs={0: "w", 1: "r", 2: errors.fileno()},
        )
        errors.close()
        self.addCleanup(self._end)
        try:
            await self.controller.ask()
        except ProcessTerminated:
            self.fail((self.directory / "controller.log").read_text())
        for path, text in (await self.controller.ask("boot", AMPHORA, self.host, self.topology, self.vrrp_ip)).items():
            (self.directory / path).write_text(text)
        self.configuration_file = self.directory / "amphora-agent.conf"
        self.belongs_to_the_agent(self.directory)

    def _end(self) -> Deferred[None]:
        if not self.controller.ended.called:
            self.process.loseConnection()
            self.process.signalProcess("KILL")
        return self.controller.ended

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the agent's process, as cloud-init does."""
        twistd = str(Path(sys.executable).with_name("twistd"))
        with (self.directory / "agent.log").open("ab") as log:
            child = subprocess.Popen(
                [
                    *self.before(), sys.executable, twistd, "-n", "--pidfile=", "octavia-amphora-agent",
                    "--config", str(self.configuration_file),
                ],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, cwd="/",
            )  # fmt: skip
        self.agents.append(child)
        return child

    def beside(self) -> list[str]:
        """What the controller's command line begins with."""
        return ["/usr/bin/env"]

    def before(self) -> list[str]:
        """What the agent's command line begins with: it isn't root."""
        return rootless()

    def belongs_to_the_agent(self, directory: Path) -> None:
        """Let it write there."""
        give(directory)

    async def _answers(self) -> bool:
        if self.agents[-1].poll() is not None:
            self.fail(f"the agent ended:\n{self.log()}")
        try:
            return bool(await self.controller.ask("versions"))
        except Refused:
            return False

    async def do(self, *words: Any) -> Any:
        """Have the controller do something."""
        try:
            return await self.controller.ask(*words)
        except Refused as e:
            self.fail(f"{words[0]}: {e.args}\n{self.log()}\n{(self.directory / 'controller.log').read_text()[-3000:]}")

    async def refused(self, *words: Any) -> str:
        """The name of what the controller's driver raises."""
        refusal: Refused = await self.assertFailure(self.controller.ask(*words), Refused)
        return str(refusal.args[0])

    def tree(self, **more: Any) -> Tree:
        """An HTTP listener with a member."""
        member = {"id": MEMBER, "ip_address": "127.0.0.1", "protocol_port": self.member}
        monitor = {"type": "HTTP", "http_method": "GET", "url_path": "/", "expected_codes": "200"}
        return {
            "id": LB,
            "vip": self.vip,
            "pools": [{"id": POOL, "protocol": "HTTP", "members": [member], "monitor": monitor}],
            "listeners": [{"id": LISTENER, "protocol": "HTTP", "protocol_port": self.vip_port, "pool": POOL, **more}],
        }

    async def provide(self, tree: Tree) -> None:
        """Have the controller bring the load balancer about."""
        await self.do("plan", tree)
        await self.do("update")
