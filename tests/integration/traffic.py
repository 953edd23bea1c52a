"""A load balancer on this machine under a real haproxy, with clients and members of all kinds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Self
from uuid import uuid4

from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import NameOID
from OpenSSL import crypto
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ServerEndpoint, connectProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from octavia_tx.amphora_driver.render import Renderer
from octavia_tx.model.resources import Listener
from octavia_tx.model.tree import Tree
from tests.amphora_driver.gallery import listener, log_format, member, pool, tree
from tests.integration.haproxy_process import (
    PATIENCE,
    POLL,
    Answer,
    HaproxyProcess,
    MemberServer,
    ask,
    endpoint,
    exchange,
    free_port,
)

VIP = "127.0.0.1"
RENDERER = Renderer(log_format=log_format)


def certificate(name: str) -> CertificateOptions:
    """What a server of that name shows, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - timedelta(days=1))
    shown = builder.not_valid_after(now + timedelta(days=1)).sign(key, SHA256())
    return CertificateOptions(crypto.PKey.from_cryptography_key(key), crypto.X509.from_cryptography(shown))


class Connection(Protocol):
    """One end of a TCP connection, which remembers what came."""

    def __init__(self) -> None:
        self.received = b""
        self.ended: Deferred[None] = Deferred()
        self._awaited: tuple[int, Deferred[bytes]] | None = None

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if self._awaited is not None and len(self.received) >= self._awaited[0]:
            (_, awaited), self._awaited = self._awaited, None
            awaited.callback(self.received)

    @property
    def is_open(self) -> bool:
        return not self.ended.called

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(None)

    def heard(self, length: int = 1, patience: float = PATIENCE) -> Deferred[bytes]:
        """All that came, once it is that long."""
        awaited: Deferred[bytes] = Deferred()
        if len(self.received) >= length:
            awaited.callback(self.received)
        else:
            self._awaited = (length, awaited)
        return awaited.addTimeout(patience, reactor)

    def send(self, data: bytes) -> None:
        self.transport.write(data)

    def end(self) -> None:
        """Without a trace, so that the port can be used again at once."""
        self.transport.abortConnection()


class RawServer(Factory):
    """A member that says its name when something comes, on each connection; gone when the test is over."""

    class _Named(Connection):
        def dataReceived(self, data: bytes) -> None:
            super().dataReceived(data)
            if self.factory.speaks:
                self.send(self.factory.name.encode())

    def __init__(self, name: str) -> None:
        self.name = name
        self.speaks = True
        self.connections: list[Connection] = []

    def buildProtocol(self, addr: object) -> Connection:
        made = self._Named()
        made.factory = self
        self.connections.append(made)
        return made

    async def start(self, case: TestCase) -> Self:
        """Listen on a port of its own."""
        listening = await TCP4ServerEndpoint(reactor, 0, interface=VIP).listen(self)
        self.port = listening.getHost().port
        case.addCleanup(self._stop, listening)
        return self

    async def _stop(self, listening: Any) -> None:
        await listening.stopListening()
        for each in self.connections:
            if each.is_open:
                each.end()
                await each.ended


class TrafficCase(TestCase):
    """
    A load balancer at 127.0.0.1 with three members there.

    @cvar server: what makes a member of its name.
    """

    server: Any = MemberServer

    async def setUp(self) -> None:  # type: ignore[override]
        self.another()
        self.members = [await self.server(name).start(self) for name in ("first", "second", "third")]

    def another(self) -> None:
        """Leave the haproxies that run to themselves: the next one has a port and an amphora of its own."""
        self.port = free_port(VIP)
        self.amphora_id = str(uuid4())

    def listener(self, **fields: Any) -> Listener:
        return listener(protocol_port=self.port, **fields)

    def tree(self, *parts: Any, pool_fields: dict[str, Any] | None = None, **fields: Any) -> Tree:
        made = [
            member(number, address="127.0.0.1", protocol_port=server.port)
            for number, server in enumerate(self.members, 1)
        ]
        return tree(self.listener(**fields), pool(**(pool_fields or {})), *made, *parts, vip_address=VIP)

    def with_members(self, shown: Tree, *changes: dict[str, Any]) -> Tree:
        """The same, but for some fields of its first members."""
        changed = [evolve(each, **fields) for each, fields in zip(shown.members, changes, strict=False)]
        return evolve(shown, members=(*changed, *shown.members[len(changed) :]))

    def started(self, shown: Tree) -> HaproxyProcess:
        return HaproxyProcess(self, RENDERER.render(shown, self.amphora_id), self.amphora_id)

    async def running(self, shown: Tree) -> HaproxyProcess:
        haproxy = self.started(shown)
        await haproxy.serves(VIP, self.port)
        return haproxy

    async def answers(self, count: int, source: str | None = None) -> list[tuple[int, str]]:
        return [await ask(VIP, self.port, source) for _ in range(count)]

    async def names(self, count: int, source: str | None = None) -> list[str]:
        return [name for _, name in await self.answers(count, source)]

    async def get(self, path: str = "/", *headers: str, address: str = VIP) -> Answer:
        lines = [f"GET {path} HTTP/1.1", "Host: a", "Connection: close", *headers, "", ""]
        return await exchange(address, self.port, "\r\n".join(lines).encode())

    async def connect(self, source: str | None = None, source_port: int = 0, address: str = VIP) -> Connection:
        """A client that has said nothing yet; it leaves when the test is over."""
        bound = (source, source_port) if source else None
        client: Connection = await connectProtocol(endpoint(address, self.port, source=bound), Connection())
        self.addCleanup(self._ended, client)
        return client

    async def _ended(self, client: Connection) -> None:
        if client.is_open:
            client.end()
            await client.ended

    async def until(self, wanted: set[tuple[int, str]]) -> None:
        """Wait until nine requests in a row have just those answers."""
        for _ in range(100):
            found = set(await self.answers(9))
            if found == wanted:
                return
            await deferLater(reactor, 0.05)
        self.fail(f"{found} isn't {wanted}")

    async def until_served_by(self, *names: str) -> None:
        await self.until({(200, name) for name in names})

    async def until_true(self, condition: Any) -> None:
        """Wait until that says so."""
        for _ in range(int(PATIENCE / POLL)):
            if condition():
                return
            await deferLater(reactor, POLL)
        self.fail("it never came")
