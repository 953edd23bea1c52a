"""The haproxy driver keeps its contract with a real agent and a real haproxy."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Final
from uuid import uuid4

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.task import deferLater
from twisted.python.filepath import FilePath

from octavia_tx.amphora_driver.haproxy import HaproxyDriver
from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.cloud.authority import Authority
from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.errors import AmphoraRefused, AmphoraUnreachable
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.certificates import Secrets
from octavia_tx.testing.amphora_driver import make_amphora_driver_tests, tree_of
from octavia_tx.wire.rest import certificates_directories
from octavia_tx.wire.tls import Credential, Role
from tests.amphora_driver.secrets import bundle, certificate
from tests.integration.haproxy_process import free_port, listens
from tests.integration.machines import naming
from tests.integration.tls_peers import Client

VIP: Final = "127.0.0.1"
PATIENCE: Final = 5.0  # seconds
POLL: Final = 0.05
SETTINGS: Final = """
amphora_id = "{id}"
[heartbeat]
receivers = ["127.0.0.1:9"]
key = "{key}"
interval = 60.0
[controllers]
urls = ["https://127.0.0.1:9"]
"""


class AgentProcess:
    """An agent in a directory of its own. Its haproxies outlive it, and are ended with it here."""

    def __init__(self, amphora_id: str, credential: Credential) -> None:
        self.directory = Path(mkdtemp(prefix="otx-agent-")).resolve()
        self.port = free_port("127.0.0.1")
        self.settings = SETTINGS.format(id=amphora_id, key=os.urandom(32).hex())
        (self.directory / "agent.toml").write_text(self.settings)
        (self.directory / "agent.pem").write_bytes(credential.pem)
        (self.directory / "authority.pem").write_bytes(credential.authority)
        command = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile="]
        command += ["octavia-amphora-agent", "--config", str(self.directory / "agent.toml")]
        command += ["--listen", f"tcp:{self.port}:interface=127.0.0.1", "--haproxy", find_haproxy()]
        log = os.open(self.directory / "log", os.O_WRONLY | os.O_CREAT)
        self._process = reactor.spawnProcess(
            ProcessProtocol(), command[0], command, env=os.environ, childFDs={0: "w", 1: log, 2: log}
        )
        os.close(log)

    @property
    def said(self) -> str:
        """What it and its haproxies wrote."""
        return (self.directory / "log").read_text()

    async def stop(self) -> None:
        """Kill whatever names the directory, and remove it."""
        for _ in range(int(PATIENCE / POLL)):
            if not (left := naming(self.directory)):
                break
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            await deferLater(IReactorTime(reactor), POLL)
        FilePath(str(self.directory)).remove()


class HaproxyFixture:
    """An agent process on loopback, and a controller's driver for it."""

    def __init__(self) -> None:
        self._directory = Path(mkdtemp(prefix="otx-authority-"))
        authority = self._authority = Authority.load_or_create(self._directory / "ours")
        other = Authority.load_or_create(self._directory / "other")
        self.vip_address = VIP
        self.ports = tuple({free_port(VIP) for _ in range(20)})[:4]
        created_at = datetime.now(UTC)
        self.amphora = Amphora(id=str(uuid4()), lb_network_ip="127.0.0.1", created_at=created_at)
        self.silent = Amphora(id=str(uuid4()), lb_network_ip="127.99.99.99", created_at=created_at)
        self._agent = AgentProcess(self.amphora.id, authority.issue(Role.AMPHORA, self.amphora.id))
        self.settings = self._agent.settings.replace("interval = 60.0", "interval = 61.0")
        renderer = Renderer()
        self.driver = HaproxyDriver(reactor, authority.issue(Role.CONTROLLER, "controller"), renderer, self._agent.port)
        # Trusts the amphora, and is not trusted by it.
        stranger = other.issue(Role.CONTROLLER, "controller")
        self.stranger = HaproxyDriver(
            reactor, Credential(pem=stranger.pem, authority=authority.authority), renderer, self._agent.port
        )
        # Of the right authority, but an amphora's.
        self.peer = HaproxyDriver(reactor, authority.issue(Role.AMPHORA, str(uuid4())), renderer, self._agent.port)
        # Doesn't know the amphora's authority.
        self.misled = HaproxyDriver(reactor, stranger, renderer, self._agent.port)

    def credential(self, amphora_id: str) -> Credential:
        return self._authority.issue(Role.AMPHORA, amphora_id)

    async def start(self) -> None:
        for _ in range(int(PATIENCE / POLL)):
            try:
                await self.driver.info(self.amphora)
            except AmphoraUnreachable:
                await deferLater(IReactorTime(reactor), POLL)
            else:
                return
        raise AssertionError(f"The agent doesn't answer: {self._agent.said}")

    async def stop(self) -> None:
        for driver in (self.driver, self.stranger, self.peer, self.misled):
            await driver.close()
        await self._agent.stop()
        for directory in certificates_directories(self.amphora.id):
            shutil.rmtree(directory, ignore_errors=True)
        FilePath(str(self._directory)).remove()

    async def listens(self, port: int) -> bool:
        return await listens(self.vip_address, port)


class HaproxyDriverTests(make_amphora_driver_tests(HaproxyFixture)):  # type: ignore[misc]
    """The contract, and what only this driver can get wrong."""

    async def test_another_amphora_does_not_command_it(self) -> None:
        await self.each_is_refused(AmphoraRefused, self.fixture.peer, self.amphora)

    async def test_a_controller_of_another_authority_refuses_it(self) -> None:
        await self.each_is_refused(AmphoraRefused, self.fixture.misled, self.amphora)

    async def test_certificates_are_brought_exchanged_and_taken_away(self) -> None:
        port = self.fixture.ports[0]
        plain = tree_of(self.fixture, port)
        asked: dict[str, Any] = {"protocol": "TERMINATED_HTTPS", "default_tls_container_ref": "reference"}
        shown = evolve(plain, listeners=tuple(evolve(listener, **asked) for listener in plain.listeners))
        lying = certificates_directories(self.amphora.id)[0]
        for name in ("one.example.com", "two.example.com"):
            secrets = Secrets(bundles={"reference": bundle(certificate(name))})
            await self.driver.apply(self.amphora, shown, 1, secrets)
            heard = await Client(self).ask(self.fixture.vip_address, port)
            self.assertEqual(heard and heard.host, name)
            self.assertEqual(len(list(lying.glob("*/*"))), 2)
        await self.driver.apply(self.amphora, plain, 1, Secrets())
        self.assertEqual(list(lying.glob("*/*")), [])
        await self.driver.apply(self.amphora, shown, 1, secrets)
        await self.driver.withdraw(self.amphora, shown.load_balancer.id, 1)
        self.assertEqual(list(lying.glob("*")), [])
