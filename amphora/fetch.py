"""A request over mutual TLS, with little: C{twisted.web.client} would take memory that the agent shall not have."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from octavia_tx.wire.tls import MutualTLS

PATIENCE: Final = 10.0  # seconds, from the connection's beginning to the answer's end
ANSWER_LIMIT: Final = 16 << 20  # bytes, with its head; the agent shall take little memory


class NoAnswer(Exception):
    """There's no answer, and why."""


def read(received: bytes) -> tuple[int, bytes]:
    """
    Status and body of an answer by HTTP/1.0.

    @raise NoAnswer: it isn't one, or not all of it.
    """
    status, _fields, body = read_all(received)
    return status, body


def read_all(received: bytes) -> tuple[int, dict[str, str], bytes]:
    """
    The same with the answer's fields, by their names in lower case.

    @raise NoAnswer: it isn't one, or not all of it.
    """
    head, blank, body = received.partition(b"\r\n\r\n")
    status, *fields = head.split(b"\r\n")
    words = status.split(maxsplit=2)
    if not blank or len(words) < 2 or not words[0].startswith(b"HTTP/1.") or not words[1].isdigit():
        raise NoAnswer("it hung up, or says something else than HTTP")
    said = {
        name.strip().lower(): value.strip()
        for name, _, value in (field.decode("latin-1").partition(":") for field in fields)
    }
    if said.get("content-length", str(len(body))) != str(len(body)):
        raise NoAnswer("its answer is incomplete")
    return int(words[1]), said, body


class _Exchange(Protocol):
    """One request by HTTP/1.0: the answer ends with the connection."""

    transport: Any

    def __init__(self, method: str, url: SplitResult, answer: Deferred[bytes]) -> None:
        self._method = method
        self._url = url
        self._answer = answer
        self._received = bytearray()

    def connectionMade(self) -> None:
        head = f"{self._method} {self._url.path or '/'} HTTP/1.0", f"Host: {self._url.netloc}", "Content-Length: 0"
        self.transport.write("".join(f"{line}\r\n" for line in (*head, "")).encode("ascii"))

    def dataReceived(self, data: bytes) -> None:
        if self._answer.called:
            return
        self._received += data
        if len(self._received) > ANSWER_LIMIT:
            self._received.clear()
            self.transport.abortConnection()
            if not self._answer.called:
                self._answer.errback(NoAnswer(f"its answer is longer than {ANSWER_LIMIT} bytes"))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._answer.called:
            return
        if reason.check(ConnectionDone, ConnectionLost) and self._received:
            received = bytes(self._received)
            self._received.clear()
            self._answer.callback(received)
        else:
            self._answer.errback(NoAnswer(f"it hung up: {reason.getErrorMessage()}"))


class _Exchanges(Factory[_Exchange]):
    noisy = False

    def __init__(self, exchange: _Exchange) -> None:
        self._made = exchange

    def buildProtocol(self, addr: object) -> _Exchange:
        return self._made


class Fetch:
    """Fetches from those whom our own settings for TLS accept."""

    def __init__(self, reactor: Any, tls: MutualTLS) -> None:
        self._reactor = reactor
        self._tls = tls

    async def __call__(self, url: str, method: str = "GET") -> tuple[int, bytes]:
        """
        Status and body of the answer to a request without a body.

        @raise NoAnswer: no connection, not the peer that we want, or no complete answer in time.
        """
        asked = Deferred.fromCoroutine(self._exchange(method, urlsplit(url)))
        try:
            return await asked.addTimeout(PATIENCE, self._reactor)
        except TimeoutError as e:
            raise NoAnswer(f"no answer within {PATIENCE:g} s") from e

    async def _exchange(self, method: str, url: SplitResult) -> tuple[int, bytes]:
        answer: Deferred[bytes] = Deferred()
        exchange = _Exchange(method, url, answer)
        try:
            await wrapClientTLS(self._tls, self._endpoint(url)).connect(_Exchanges(exchange))
        except Exception as e:  # noqa: BLE001 - a boundary: what names, sockets and TLS may raise is open-ended
            raise NoAnswer(f"no connection: {type(e).__name__}: {e}") from e
        try:
            return read(await answer)
        finally:
            exchange.transport.abortConnection()

    def _endpoint(self, url: SplitResult) -> IStreamClientEndpoint:
        host, port = url.hostname or "", url.port or 443
        try:
            version = ip_address(host).version
        except ValueError:
            return HostnameEndpoint(self._reactor, host, port)
        made: Any = TCP6ClientEndpoint if version == 6 else TCP4ClientEndpoint
        endpoint: IStreamClientEndpoint = made(self._reactor, host, port)
        return endpoint
