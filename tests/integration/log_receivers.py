"""Receivers of syslog that remember what they were sent."""

from __future__ import annotations

import re
from typing import Any

from attrs import define, field
from twisted.internet import reactor
from twisted.internet.protocol import DatagramProtocol, Factory, Protocol
from twisted.trial.unittest import TestCase

real: Any = reactor
_MESSAGE = re.compile(
    rb"<(\d+)>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z) (\S+) octavia-tx (\S+) (access|dropped) - (.*)", re.DOTALL
)


@define
class Message:
    priority: int
    time: str
    host: str
    process: str
    kind: str
    text: str


def parse(message: bytes) -> Message:
    """Read a message as RFC 5424 has it."""
    match = _MESSAGE.fullmatch(message)
    assert match is not None, message
    priority, *texts = match.groups()
    return Message(int(priority), *(text.decode() for text in texts))


class Datagrams(DatagramProtocol):
    """By UDP."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.largest = 0

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.largest = max(self.largest, len(datagram))
        self.messages.append(parse(datagram))

    def listen(self, case: TestCase) -> int:
        listening = real.listenUDP(0, self, interface="127.0.0.1", maxPacketSize=65536)
        case.addCleanup(listening.stopListening)
        return int(listening.getHost().port)


class _Connection(Protocol):
    def __init__(self, owner: Streams) -> None:
        self._owner = owner
        self._received = b""

    def connectionMade(self) -> None:
        self._owner.connections.append(self)

    def connectionLost(self, reason: Any = None) -> None:
        self._owner.connections.remove(self)
        self._owner.ends.append(reason.type)

    def dataReceived(self, data: bytes) -> None:
        self._received += data
        while match := re.match(rb"(\d+) ", self._received):
            end = match.end() + int(match[1])
            if len(self._received) < end:
                return
            self._owner.messages.append(parse(self._received[match.end() : end]))
            self._received = self._received[end:]


@define(eq=False)
class Streams(Factory[_Connection]):
    """
    By TCP, with counted octets; with TLS where options are given.

    @ivar ends: how connections ended.
    """

    tls: Any = None
    messages: list[Message] = field(factory=list)
    connections: list[_Connection] = field(factory=list)
    ends: list[type[BaseException]] = field(factory=list)
    listening: Any = None

    def buildProtocol(self, addr: Any) -> _Connection:
        return _Connection(self)

    def listen(self, case: TestCase, port: int = 0) -> int:
        if self.tls is None:
            self.listening = real.listenTCP(port, self, interface="127.0.0.1")
        else:
            self.listening = real.listenSSL(port, self, self.tls, interface="127.0.0.1")
        case.addCleanup(self.close)
        return int(self.listening.getHost().port)

    def close(self) -> Any:
        """Hear nobody any more."""
        listening, self.listening = self.listening, None
        for connection in list(self.connections):
            connection.transport.abortConnection()
        return listening and listening.stopListening()
