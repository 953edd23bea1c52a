"""haproxy itself, run on a rendered configuration, and members for it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import treq
from attrs import frozen
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.endpoints import (
    TCP4ClientEndpoint,
    TCP6ClientEndpoint,
    connectProtocol,
    quoteStringArgument,
    serverFromString,
)
from twisted.internet.error import ConnectError, ProcessExitedAlready
from twisted.internet.protocol import ProcessProtocol, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from twisted.web.client import Agent
from twisted.web.http_headers import Headers
from twisted.web.iweb import IRequest
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from octavia_tx.cloud.binaries import find_haproxy
from octavia_tx.wire.rest import CERTIFICATES, peer_name
from tests.amphora_driver.gallery import AMPHORA

PATIENCE: Final = 5.0  # seconds
POLL: Final = 0.02
# Another version of haproxy can be given to the tests.
HAPROXY: Final = os.environ.get("OCTAVIA_TX_TEST_HAPROXY") or find_haproxy()


def free_port(address: str) -> int:
    """A port of that address that nobody uses now."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as found:
        found.bind((address, 0))
        return int(found.getsockname()[1])


def ask_haproxy(path: Path, command: str) -> bytes:
    """What a worker answers at its socket, of which the whole path may be long."""
    descriptor = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as asking:
            asking.settimeout(PATIENCE)
            asking.connect(f"/proc/self/fd/{descriptor}/{path.name}")
            asking.sendall(command.encode() + b"\n")
            return asking.recv(1 << 20)
    finally:
        os.close(descriptor)


async def checked(path: Path) -> tuple[int, str]:
    """haproxy's exit code and words about a configuration. That there are no servers' states yet is none of them."""
    arguments = ["-c", "-C", str(path.parent), "-L", peer_name(AMPHORA), "-f", str(path)]
    out, err, code = await getProcessOutputAndValue(HAPROXY, arguments, os.environ)
    return code, without_states((out + err).decode())


def without_states(said: str) -> str:
    """haproxy 2.6 warns of a state file that isn't there."""
    lines = (line for line in said.splitlines() if "Can't open global server state file" not in line)
    return "\n".join(line for line in lines if line != "Warnings were found.")


def place(directory: Path, certificates: Mapping[str, bytes]) -> None:
    """Put files where haproxy, started in this directory, finds them."""
    (directory / CERTIFICATES).mkdir(exist_ok=True)
    for name, content in certificates.items():
        (directory / CERTIFICATES / name).write_bytes(content)


def endpoint(address: str, port: int, timeout: float = PATIENCE, source: tuple[str, int] | None = None) -> Any:
    """How to connect there."""
    kind = TCP6ClientEndpoint if ":" in address else TCP4ClientEndpoint
    return kind(reactor, address, port, timeout, source)


async def listens(address: str, port: int) -> bool:
    """Whether a connection is accepted there."""
    try:
        client = await connectProtocol(endpoint(address, port, timeout=1), Protocol())
    except ConnectError:
        return False
    client.transport.abortConnection()
    return True


class _Watch(ProcessProtocol):
    def __init__(self) -> None:
        self.said = b""
        self.ended: Deferred[None] = Deferred()

    def outReceived(self, data: bytes) -> None:
        self.said += data

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self.ended.callback(None)


class HaproxyProcess:
    """A master and its workers; gone when the test is over."""

    def __init__(
        self, case: TestCase, configuration: str, amphora_id: str, certificates: Mapping[str, bytes] | None = None
    ) -> None:
        self._path = Path(case.mktemp()).absolute() / "haproxy.cfg"
        self._path.parent.mkdir()
        place(self._path.parent, certificates or {})
        self._path.write_text(configuration)
        self._watch = _Watch()
        arguments = [HAPROXY, "-W", "-C", str(self._path.parent), "-L", peer_name(amphora_id), "-f", str(self._path)]
        self._process = reactor.spawnProcess(self._watch, HAPROXY, arguments, env=os.environ)
        case.addCleanup(self._stop)

    @property
    def said(self) -> list[str]:
        """What it says, line by line."""
        return self._watch.said.decode().splitlines()

    async def serves(self, address: str, port: int) -> None:
        """Wait until it accepts connections there."""
        for _ in range(int(PATIENCE / POLL)):
            if await listens(address, port):
                return
            await deferLater(reactor, POLL)
        raise AssertionError(f"haproxy doesn't listen on {address}:{port}: {self._watch.said.decode()}")

    async def reload(self, configuration: str) -> None:
        """Run another configuration, and wait until the new worker has taken over."""
        self._path.write_text(configuration)
        before = self._watch.said.count(b"Loading success")
        self._process.signalProcess(signal.SIGUSR2)
        for _ in range(int(PATIENCE / POLL)):
            if self._watch.said.count(b"Loading success") > before:
                return
            await deferLater(reactor, POLL)
        raise AssertionError(f"haproxy doesn't reload: {self._watch.said.decode()}")

    def _stop(self) -> Deferred[None]:
        if not self._watch.ended.called:
            with contextlib.suppress(ProcessExitedAlready):
                self._process.signalProcess(signal.SIGTERM)
        return self._watch.ended.addTimeout(PATIENCE, reactor)


@frozen
class Asked:
    """What a member was asked, and when."""

    method: str
    path: str
    version: str
    seconds: float


class MemberServer:
    """
    A web server that says its name; gone when the test is over.

    @ivar statuses: of paths that have one of their own.
    @ivar silent: paths that get no answer.
    """

    class _Name(Resource):
        isLeaf = True

        def __init__(self, server: MemberServer) -> None:
            super().__init__()
            self._server = server

        def render(self, request: IRequest) -> bytes | int:
            path = request.uri.decode()
            self._server.asked.append(
                Asked(request.method.decode(), path, request.clientproto.decode(), reactor.seconds())
            )
            self._server.hosts.append(request.getHeader("host"))
            self._server.headers.append(request.requestHeaders)
            if self._server.hangs_up:
                request.transport.abortConnection()
                return NOT_DONE_YET
            if path in self._server.silent:
                return NOT_DONE_YET
            for cookie in self._server.cookies:
                request.responseHeaders.addRawHeader("Set-Cookie", cookie)
            request.setResponseCode(self._server.statuses.get(path, self._server.status))
            return self._server.name.encode()

    def __init__(self, name: str) -> None:
        self.name = name
        self.status = 200
        self.hangs_up = False
        self.statuses: dict[str, int] = {}
        self.silent: set[str] = set()
        self.cookies: list[str] = []
        self.asked: list[Asked] = []
        self.hosts: list[str | None] = []
        self.headers: list[Headers] = []
        self.port = 0

    async def start(self, case: TestCase, address: str = "127.0.0.1", tls: CertificateOptions | None = None) -> Self:
        """Listen on a port of its own."""
        site = Site(self._Name(self))
        if tls is not None:
            site = TLSMemoryBIOFactory(tls, False, site)
        where = serverFromString(reactor, f"tcp:0:interface={quoteStringArgument(address)}")
        self._listening = await where.listen(site)
        self.port = self._listening.getHost().port
        case.addCleanup(self.stop)
        return self

    def stop(self) -> Deferred[None]:
        """Accept no connection any more."""
        return maybeDeferred(self._listening.stopListening)


async def ask(address: str, port: int, source: str | None = None, method: str = "GET") -> tuple[int, str]:
    """Status and body of one request on a connection of its own."""
    agent = Agent(reactor, bindAddress=(source, 0) if source else None)
    response = await treq.request(method, f"http://{address}:{port}/", agent=agent, persistent=False)
    return response.code, await response.text()


@frozen
class Answer:
    """What came back, byte by byte; headers by their names in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


class _Exchange(Protocol):
    def __init__(self, request: bytes) -> None:
        self._request = request
        self._received = b""
        self.received: Deferred[bytes] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self._request)

    def dataReceived(self, data: bytes) -> None:
        self._received += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.received.callback(self._received)


async def exchange(address: str, port: int, request: bytes) -> Answer:
    """Send a request as it is, and hear all that comes until the connection ends."""
    client = await connectProtocol(endpoint(address, port), _Exchange(request))
    client.received.addTimeout(PATIENCE, reactor)
    head, _, body = (await client.received).partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
    return Answer(int(first.split()[1]), headers, body)
