"""A real agent with a real haproxy, in a temporary directory, on free ports of 127/8; ended whatever happens."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import uuid4

from attrs import frozen
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent, FileBodyProducer, HTTPConnectionPool, readBody
from twisted.web.http_headers import Headers
from twisted.web.iweb import IPolicyForHTTPS
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site
from zope.interface import implementer

from octavia_tx.cloud.authority import Authority
from octavia_tx.wire import envelope
from octavia_tx.wire.envelope import Kind
from octavia_tx.wire.heartbeat import Counters, Report
from octavia_tx.wire.rest import FENCE_HEADER
from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role
from tests.integration.haproxy_process import HAPROXY as HAPROXY

AMPHORA = "11111111-1111-4111-8111-111111111111"
LB = "22222222-2222-4222-8222-222222222222"
LISTENER = "33333333-3333-4333-8333-333333333333"
POOL = "44444444-4444-4444-8444-444444444444"
MEMBER = "55555555-5555-4555-8555-555555555555"
KEY = bytes(range(32))
SOMEBODY = 61234  # in particular not the user whom OpenStack's configurations name
real: Any = reactor


def free_address() -> tuple[str, int]:
    """A loopback address, and a port that is free there."""
    host = f"127.{random.randint(100, 250)}.{random.randint(1, 250)}.{random.randint(2, 250)}"
    with socket.socket() as probe:
        probe.bind((host, 0))
        return host, int(probe.getsockname()[1])


@implementer(IPolicyForHTTPS)
@frozen
class Policy:
    tls: MutualTLS

    def creatorForNetloc(self, hostname: bytes, port: int) -> MutualTLS:
        return self.tls


@frozen
class Answer:
    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Receiver(DatagramProtocol):
    """
    Keeps all datagrams.

    @ivar answers: how it answers those in our envelope, if it does.
    """

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self.answers: Kind | None = None

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.datagrams.append(datagram)
        if self.answers is not None:
            assert self.transport is not None
            self.transport.write(envelope.answer(KEY, self.answers, envelope.peek(datagram)), addr)


class BackEnd(Resource):
    """
    A member: says its name; in the middle of its answer C{/slow} takes a second, and C{/held} waits for L{go_on}.
    """

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.held: list[Any] = []

    def render_GET(self, request: Any) -> Any:
        request.setHeader("Content-Length", "6")
        if request.path not in (b"/slow", b"/held"):
            return b"member"
        request.write(b"mem")
        if request.path == b"/held":
            self.held.append(request)
            return NOT_DONE_YET
        later = real.callLater(1, lambda: self._finish(request))
        request.notifyFinish().addErrback(lambda _: later.active() and later.cancel())
        return NOT_DONE_YET

    def go_on(self) -> None:
        """Finish the answers that wait."""
        held, self.held = self.held, []
        for request in held:
            self._finish(request)

    def _finish(self, request: Any) -> None:
        request.write(b"ber")
        request.finish()


class AgentCase(TestCase):
    """
    Has a directory with all that an agent needs, a member, a receiver of heartbeats, and helpers to use them.

    @cvar envelope: of the heartbeats.
    @cvar before: what goes before the agent on its command line.
    """

    envelope = "octavia-tx"
    before: tuple[str, ...] = ()
    timeout = 60

    def setUp(self) -> None:
        self.directory = Path(self.mktemp()).absolute()
        self.directory.mkdir()
        self.addCleanup(lambda: Deferred.fromCoroutine(self._end_all()))
        self.authority = Authority.load_or_create(self.directory / "ca")
        self.host, self.port = free_address()
        self.vip, self.vip_port = free_address()
        self.receiver = Receiver()
        heard = real.listenUDP(0, self.receiver, interface="127.0.0.1")
        self.addCleanup(heard.stopListening)
        self.back_end = BackEnd()
        site = Site(self.back_end)  # type: ignore[no-untyped-call]
        site.log = lambda request: None  # type: ignore[method-assign,assignment]
        member = real.listenTCP(0, site, interface="127.0.0.1")
        self.addCleanup(member.stopListening)
        self.member = member.getHost().port
        self.receivers = [f"127.0.0.1:{heard.getHost().port}"]
        self.controllers: list[str] = []
        self.credential = self.authority.issue(Role.CONTROLLER, "controller")
        self.pool = HTTPConnectionPool(real)
        self.addCleanup(lambda: self.pool.closeCachedConnections())
        self.agents: list[subprocess.Popen[bytes]] = []
        self.memory = Path("/dev/shm") / f"octavia-tx-test-{uuid4()}"  # noqa: S108 - nobody guesses it
        self.addCleanup(shutil.rmtree, self.memory, ignore_errors=True)

    def place(self, directory: Path | None = None) -> Path:
        """Write the agent's files."""
        directory = directory or self.directory / "agent"
        directory.mkdir(parents=True, exist_ok=True)
        credential = self.authority.issue(Role.AMPHORA, AMPHORA)
        (directory / "agent.pem").write_bytes(credential.pem)
        (directory / "authority.pem").write_bytes(credential.authority)
        (directory / "agent.toml").write_text(
            f"""
            amphora_id = "{AMPHORA}"
            [heartbeat]
            receivers = {json.dumps(self.receivers)}
            key = "{KEY.hex()}"
            interval = 0.5
            envelope = "{self.envelope}"
            [controllers]
            urls = {json.dumps(self.controllers)}
            [certificates]
            directory = "{self.memory}"
            """
        )
        self.agent_directory = directory
        return directory

    def launch(self) -> subprocess.Popen[bytes]:
        """Start the agent's process; its word goes to C{agent.log}."""
        twistd = str(Path(sys.executable).with_name("twistd"))
        listen = f"tcp:{self.port}:interface={self.host}"
        options = ["--config", str(self.agent_directory / "agent.toml"), "--listen", listen, "--haproxy", HAPROXY]
        with (self.directory / "agent.log").open("ab") as log:
            child = subprocess.Popen(
                [*self.before, sys.executable, twistd, "-n", "--pidfile=", "octavia-amphora-agent", *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
        self.agents.append(child)
        return child

    async def start(self, directory: Path | None = None) -> subprocess.Popen[bytes]:
        """Start an agent, and wait until it answers."""
        self.place(directory)
        return await self.restart()

    async def restart(self) -> subprocess.Popen[bytes]:
        """Start an agent on the files of the one before."""
        child = self.launch()
        await self.until(self._answers)
        return child

    def kill(self, child: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
        """End an agent."""
        child.send_signal(number)
        child.wait(10)

    async def call(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        fence: int | None = None,
        credential: Credential | None = None,
        kind: str | None = None,
    ) -> Answer:
        """Call the agent as a controller does."""
        tls = MutualTLS(credential or self.credential, Peer(role=Role.AMPHORA, identifier=AMPHORA))
        headers = Headers({FENCE_HEADER: [str(fence)]} if fence is not None else {})
        if kind is not None:
            headers.setRawHeaders("Content-Type", [kind])
        return await self.request(Agent(real, Policy(tls), 5), method, self.url(path), headers, body)

    async def request(
        self, agent: Agent, method: str, url: str, headers: Headers | None = None, body: bytes = b""
    ) -> Answer:
        producer = FileBodyProducer(BytesIO(body)) if body else None
        response: Any = await agent.request(method.encode(), url.encode(), headers, producer)
        return Answer(response.code, response.headers, await readBody(response))

    def url(self, path: str) -> str:
        return f"https://{self.host}:{self.port}{path}"

    async def visit(self, path: str = "/", agent: Agent | None = None) -> Answer:
        """Be a user of the load balancer."""
        where = f"http://{self.vip}:{self.vip_port}{path}"
        return await self.request(agent or Agent(real, connectTimeout=5, pool=self.pool), "GET", where)

    def configuration(self, *, more: str = "", check: str = "check inter 200ms fall 2 rise 1") -> bytes:
        """What haproxy shall do: one listener with one member."""
        return f"""
global
    maxconn 200
    stats socket unix@worker.sock mode 600 level admin
    server-state-file servers.state
defaults
    load-server-state-from-file global
    mode http
    timeout connect 1s
    timeout client 10s
    timeout server 10s
frontend {LISTENER}
    mode http
    bind {self.vip}:{self.vip_port}
    {more}
    default_backend {POOL}:{LISTENER}
backend {POOL}:{LISTENER}
    mode http
    server {MEMBER} 127.0.0.1:{self.member} {check}
""".encode()

    async def upload(self, text: bytes | None = None, fence: int | None = None) -> Answer:
        path = f"/1.0/loadbalancer/{AMPHORA}/{LB}/haproxy"
        return await self.call("PUT", path, text or self.configuration(), fence)

    async def act(self, action: str, fence: int | None = None) -> Answer:
        return await self.call("PUT", f"/1.0/loadbalancer/{LB}/{action}", fence=fence)

    async def serve(self, text: bytes | None = None) -> None:
        """Upload and start."""
        uploaded = await self.upload(text)
        self.assertEqual(uploaded.status, 202, uploaded.body)
        reloaded = await self.act("reload")
        self.assertEqual(reloaded.status, 202, reloaded.body)

    def master(self) -> int:
        """The pid of haproxy's master."""
        return int((self.agent_directory / "load_balancers" / LB / "haproxy.pid").read_text())

    def workers(self) -> list[int]:
        """The pids of the processes that the master started."""
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if parent(pid) == self.master()]

    def haproxies(self) -> list[int]:
        """The pids of all haproxies of this test."""
        return [pid for pid in self.processes() if "haproxy.cfg" in command(pid)]

    def processes(self) -> list[int]:
        """The pids of all processes of this test."""
        pids = map(int, filter(str.isdigit, os.listdir("/proc")))
        return [pid for pid in pids if pid != os.getpid() and str(self.directory) in command(pid)]

    async def until(self, holds: Callable[[], Awaitable[bool] | bool], seconds: float = 15) -> float:
        """Wait for something; gives the seconds that it took."""
        began = time.monotonic()
        while True:
            found = holds()
            if (found if isinstance(found, bool) else await found) is True:
                return time.monotonic() - began
            if time.monotonic() - began > seconds:
                self.fail(f"not within {seconds} s; the agent says:\n{self.log()}")
            await deferLater(real, 0.02)

    async def serves(self) -> bool:
        """Whether a user gets an answer now."""
        try:
            return (await self.visit()).status == 200
        except Exception:  # noqa: BLE001 - any failure is a user's failure
            return False

    def log(self) -> str:
        return (self.directory / "agent.log").read_text()

    async def _answers(self) -> bool:
        if self.agents and self.agents[-1].poll() is not None:
            self.fail(f"the agent ended:\n{self.log()}")
        try:
            return (await self.call("GET", "/")).status == 200
        except Exception:  # noqa: BLE001 - it isn't there yet
            return False

    async def _end_all(self) -> None:
        for child in self.agents:
            child.kill()
            child.wait()
        for _ in range(100):
            left = self.processes()
            if not left:
                return
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await deferLater(real, 0.02)
        raise AssertionError(f"processes that can't be ended: {left}")


def rootless() -> list[str]:
    """What a command line begins with, to be run by somebody else, if we are root, who may read our files."""
    if os.geteuid():
        return []
    capability = "+dac_read_search"
    user = ["--reuid", str(SOMEBODY), "--regid", str(SOMEBODY), "--clear-groups"]
    return ["setpriv", *user, "--inh-caps", capability, "--ambient-caps", capability]


def give(directory: Path) -> None:
    """Let who is L{rootless} write there."""
    if not os.geteuid():
        for path in (directory.parent, directory, *directory.iterdir()):
            os.chown(path, SOMEBODY, SOMEBODY)


def command(pid: int) -> str:
    """A process's command line; empty for one that is gone, or a zombie."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def parent(pid: int) -> int:
    """The pid of a process's parent; 0 where it's gone."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def counted(report: Report) -> list[Counters]:
    """All counters of a report."""
    return [c for r in report.listeners for c in r.counters]


def run(test: Callable[[Any], Any]) -> Callable[[Any], Deferred[Any]]:
    """Make a test of a coroutine."""

    def running(self: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(test(self))

    running.__name__, running.__doc__ = test.__name__, test.__doc__
    return running
