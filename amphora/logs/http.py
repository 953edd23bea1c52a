"""A request by HTTP to a service of OpenStack's, with little: C{twisted.web.client} would take memory."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import SplitResult, urlsplit

from attrs import field, frozen
from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import optionsForClientTLS
from twisted.protocols.basic import FileSender
from twisted.python.failure import Failure

from amphora.fetch import NoAnswer, read_all
from amphora.logs.trust import trusted

PATIENCE: Final = 60.0  # seconds for all of it
_ANSWER_LIMIT: Final = 1 << 20  # bytes


@frozen
class Body:
    """What is sent: some bytes, and then a file."""

    head: bytes = field(default=b"", repr=False)
    path: Path | None = None

    @property
    def length(self) -> int:
        """In bytes."""
        return len(self.head) + (self.path.stat().st_size if self.path is not None else 0)


@frozen
class Answer:
    """@ivar fields: by their names in lower case."""

    status: int
    fields: Mapping[str, str]
    body: bytes


class _Request(Protocol):
    """One by HTTP/1.0: the answer ends with the connection."""

    transport: Any

    def __init__(self, head: bytes, body: Body) -> None:
        self.received = bytearray()
        self.answered: Deferred[None] = Deferred()
        self._head = head
        self._body = body
        self._file: IO[bytes] | None = None

    def connectionMade(self) -> None:
        self.transport.write(self._head + self._body.head)
        if self._body.path is not None:
            self._file = self._body.path.open("rb")
            # It ends when the connection does, and that is told elsewhere.
            FileSender().beginFileTransfer(self._file, self.transport).addErrback(lambda _failure: None)

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        if len(self.received) > _ANSWER_LIMIT:
            self.transport.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._file is not None:
            self._file.close()
        if self.answered.called:
            return
        if self.received:
            self.answered.callback(None)
        else:
            self.answered.errback(NoAnswer(f"it hung up: {reason.getErrorMessage()}"))


class _Requests(Factory[_Request]):
    noisy = False

    def __init__(self, request: _Request) -> None:
        self._request = request

    def buildProtocol(self, addr: object) -> _Request:
        return self._request


class Http:
    """
    Makes requests.

    @param authorities: PEM of who vouches for servers; empty: those whom the system trusts.
    """

    def __init__(self, reactor: Any, authorities: str) -> None:
        self._reactor = reactor
        self._authorities = authorities

    async def __call__(self, method: str, url: str, fields: Mapping[str, str], body: Body) -> Answer:
        """
        The answer, whatever it is.

        @raise NoAnswer: no connection, a certificate that isn't trusted, or no complete answer in time.
        @raise OSError: the body can't be read.
        """
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        lines = [f"{method} {parts.path or '/'}{query} HTTP/1.0", f"Host: {parts.netloc}"]
        lines += [f"{name}: {value}" for name, value in {**fields, "Content-Length": str(body.length)}.items()]
        request = _Request("\r\n".join([*lines, "", ""]).encode("ascii"), body)
        asked = Deferred.fromCoroutine(self._exchange(parts, request))
        try:
            return await asked.addTimeout(PATIENCE, self._reactor)
        except TimeoutError as e:
            raise NoAnswer(f"no answer within {PATIENCE:g} s") from e

    async def _exchange(self, parts: SplitResult, request: _Request) -> Answer:
        try:
            await self._endpoint(parts).connect(_Requests(request))
        except CancelledError:
            raise
        except Exception as e:  # noqa: BLE001 - a boundary: what names, sockets and TLS may raise is open-ended
            raise NoAnswer(f"no connection: {type(e).__name__}: {e}") from e
        try:
            await request.answered
        finally:
            with suppress(AttributeError):
                request.transport.abortConnection()
        return Answer(*read_all(bytes(request.received)))

    def _endpoint(self, parts: SplitResult) -> IStreamClientEndpoint:
        secure, host = parts.scheme == "https", parts.hostname or ""
        endpoint = HostnameEndpoint(self._reactor, host, parts.port or (443 if secure else 80))
        return wrapClientTLS(optionsForClientTLS(host, trusted(self._authorities)), endpoint) if secure else endpoint
