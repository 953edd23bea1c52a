"""Ways to a receiver of syslog: a datagram socket, or a connection that knows what has arrived."""

from __future__ import annotations

import fcntl
import sys
import termios
from collections.abc import Iterable
from struct import Struct
from typing import Any, Final, Protocol

from OpenSSL import SSL, crypto
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.error import DNSLookupError, MessageLengthError
from twisted.internet.interfaces import IHandshakeListener, IStreamClientEndpoint
from twisted.internet.protocol import DatagramProtocol, Factory, connectionDone
from twisted.internet.protocol import Protocol as StreamProtocol
from twisted.internet.ssl import PrivateCertificate, optionsForClientTLS
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from zope.interface import implementer

from amphora.logs.lines import counted, datagram
from amphora.logs.shipper import Undelivered
from amphora.logs.trust import trusted
from octavia_tx.wire.logs import Syslog

PATIENCE: Final = 10  # seconds for a connection
SILENCE: Final = 60.0  # seconds in which none of what was sent arrived, until the connection is given up
LOOK: Final = (
    0.02  # seconds until it is looked whether all has arrived; each look is half as far again from the one before
)
LAST_LOOK: Final = 0.5
SETTLING: Final = 0.5  # seconds for a server to refuse us once TLS is spoken
_PACE: Final = 0.02  # seconds between two batches of datagrams, for receivers' buffers are small
_INTEGER: Final = Struct("i")


class Way(Protocol):
    """A way to a receiver."""

    async def carry(self, messages: Iterable[bytes]) -> None:
        """
        Send messages, in their order. When this returns, as much is known of their arrival as can be.

        @raise Undelivered: not all have arrived.
        """

    def close(self) -> None:
        """Keep nothing open."""


class _Datagrams(DatagramProtocol):
    refused = False

    def connectionRefused(self) -> None:
        """Nobody is there, a datagram before was told."""
        self.refused = True


class DatagramWay:
    """By UDP: of what is sent nothing is known, but that nobody is there."""

    def __init__(self, reactor: Any, target: Syslog) -> None:
        self._reactor = reactor
        self._target = target
        self._port: Any = None
        self._protocol = _Datagrams()

    async def carry(self, messages: Iterable[bytes]) -> None:
        """See L{Way.carry}."""
        where = f"{self._target.host}:{self._target.port}"
        try:
            if self._port is None:
                await self._open()
            self._protocol.refused = False
            transport: Any = self._protocol.transport
            for message in messages:
                transport.write(datagram(message))
        except (OSError, DNSLookupError, MessageLengthError) as e:
            self.close()
            raise Undelivered(f"no datagram can be sent to {where}: {e}") from e
        await deferLater(self._reactor, _PACE)
        if self._protocol.refused:
            raise Undelivered(f"nobody listens at {where}")

    async def _open(self) -> None:
        host = self._target.host
        if not (isIPAddress(host) or isIPv6Address(host)):
            host = await self._reactor.resolve(host)
        self._port = self._reactor.listenUDP(0, self._protocol, interface="::" if ":" in host else "")
        transport: Any = self._protocol.transport
        transport.connect(host, self._target.port)

    def close(self) -> None:
        """See L{Way.close}."""
        port, self._port = self._port, None
        if port is not None:
            port.stopListening()


@implementer(IHandshakeListener)
class _Stream(StreamProtocol):
    """
    A connection on which nothing is expected to come.

    @ivar shaken: fires when TLS is spoken; C{lost}: why the connection is over.
    """

    def __init__(self) -> None:
        self.lost: str | None = None
        self.shaken: Deferred[None] = Deferred()

    def handshakeCompleted(self) -> None:
        self.shaken.callback(None)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason.getErrorMessage()
        if not self.shaken.called:
            self.shaken.callback(None)


class _Streams(Factory[_Stream]):
    noisy = False

    def buildProtocol(self, addr: object) -> _Stream:
        return _Stream()


class StreamWay:
    """By TCP, or TLS over it."""

    def __init__(self, reactor: Any, target: Syslog) -> None:
        self._reactor = reactor
        self._target = target
        self._where = f"{target.host}:{target.port}"
        self._stream: _Stream | None = None

    async def carry(self, messages: Iterable[bytes]) -> None:
        """See L{Way.carry}: all bytes have been acknowledged by the machine at the other end."""
        if self._stream is None or self._stream.lost is not None:
            self._stream = await self._connect()
        stream = self._stream
        transport: Any = stream.transport
        transport.write(b"".join(map(counted, messages)))
        try:
            await self._until_arrived(stream)
        except Undelivered:
            self.close()
            raise

    async def _until_arrived(self, stream: _Stream) -> None:
        look, least, since = LOOK, 0, self._reactor.seconds()
        while True:
            await deferLater(self._reactor, look)
            self._check(stream)
            waiting = self._waiting(stream)
            if not waiting:
                return
            if not least or waiting < least:
                least, since = waiting, self._reactor.seconds()
            if self._reactor.seconds() - since > SILENCE:
                raise Undelivered(f"{self._where} takes nothing more")
            look = min(look * 1.5, LAST_LOOK)

    def _waiting(self, stream: _Stream) -> int:
        """Bytes that aren't acknowledged, as far as can be told."""
        socket = self._socket(stream)
        if socket in self._reactor.getWriters():
            return sys.maxsize  # not even the system has all of them
        try:
            (unacknowledged,) = _INTEGER.unpack(fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, bytes(_INTEGER.size)))
        except (OSError, ValueError):
            return sys.maxsize  # it is closed, which will be told in a moment
        return int(unacknowledged)

    def _socket(self, stream: _Stream) -> Any:
        transport: Any = stream.transport
        return transport.transport if self._target.transport == "tls" else transport

    async def _connect(self) -> _Stream:
        stream: _Stream
        try:
            endpoint: Any = self._endpoint()
            stream = await endpoint.connect(_Streams())
        except (SSL.Error, crypto.Error, ValueError) as e:
            raise Undelivered(f"TLS to {self._where} can't be spoken with these certificates: {e}") from e
        except Exception as e:  # noqa: BLE001 - a boundary: what names and sockets may raise is open-ended
            raise Undelivered(f"no connection to {self._where}: {type(e).__name__}: {e}") from e
        transport: Any = stream.transport
        transport.setTcpKeepAlive(1)
        if self._target.transport == "tls":
            await self._shake(stream)
        return stream

    async def _shake(self, stream: _Stream) -> None:
        """Wait until TLS is spoken, and until a server had time to say that it doesn't want us: it does so later."""
        transport: Any = stream.transport
        giving_up = self._reactor.callLater(PATIENCE, transport.abortConnection)
        try:
            await stream.shaken
        finally:
            if giving_up.active():
                giving_up.cancel()
        await deferLater(self._reactor, SETTLING)
        self._check(stream)

    def _check(self, stream: _Stream) -> None:
        if stream.lost is not None:
            raise Undelivered(f"the connection to {self._where} broke: {stream.lost}")

    def _endpoint(self) -> IStreamClientEndpoint:
        target = self._target
        endpoint = HostnameEndpoint(self._reactor, target.host, target.port, timeout=PATIENCE)
        if target.transport != "tls":
            return endpoint
        own = PrivateCertificate.loadPEM(target.certificate) if target.certificate else None
        options = optionsForClientTLS(target.server or target.host, trusted(target.authorities), own)
        return wrapClientTLS(options, endpoint)

    def close(self) -> None:
        """See L{Way.close}: where all has arrived it ends in order, and otherwise at once."""
        stream, self._stream = self._stream, None
        if stream is None or stream.lost is not None:
            return
        transport: Any = stream.transport
        if self._waiting(stream):
            transport.abortConnection()
            return
        transport.loseConnection()
        self._socket(stream).loseConnection()  # TLS says that it ends, and needn't hear that the other end does


def way(reactor: Any, target: Syslog) -> Way:
    """The one that a target's transport asks for."""
    return DatagramWay(reactor, target) if target.transport == "udp" else StreamWay(reactor, target)
