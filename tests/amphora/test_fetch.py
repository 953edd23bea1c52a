"""Requests to controllers, over real connections."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import TestCase

from amphora import fetch
from amphora.fetch import Fetch, NoAnswer
from octavia_tx.cloud.authority import Authority
from octavia_tx.wire.tls import MutualTLS, Peer, Role

real: Any = reactor


class _Answer(Protocol):
    """Answers the first that it hears with this much, if nobody hangs up."""

    transport: Any

    def __init__(self, whole: _Answers) -> None:
        self._whole = whole

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"HTTP/1.0 200 OK\r\n\r\n")
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        if self._whole.left <= 0:
            self.transport.unregisterProducer()
            self.transport.loseConnection()
            return
        piece = b" " * min(self._whole.left, 1 << 16)
        self._whole.left -= len(piece)
        self.transport.write(piece)

    def stopProducing(self) -> None:
        pass

    def connectionLost(self, *_reason: object) -> None:
        self._whole.gone.callback(None)


class _Answers(Factory[_Answer]):
    noisy = False

    def __init__(self, size: int) -> None:
        self.left = size
        self.gone: Deferred[None] = Deferred()

    def buildProtocol(self, addr: object) -> _Answer:
        return _Answer(self)


class Sizes(TestCase):
    timeout = 30

    def setUp(self) -> None:
        authority = Authority.load_or_create(Path(self.mktemp()))
        self.server = MutualTLS(authority.issue(Role.CONTROLLER, "c"), Peer(role=Role.AMPHORA))
        self.fetch = Fetch(real, MutualTLS(authority.issue(Role.AMPHORA, "a"), Peer(role=Role.CONTROLLER)))

    def serve(self, size: int) -> tuple[_Answers, str]:
        answers = _Answers(size)
        port = real.listenTCP(0, TLSMemoryBIOFactory(self.server, False, answers), interface="127.0.0.1")
        self.addCleanup(lambda: maybeDeferred(port.stopListening))
        return answers, f"https://127.0.0.1:{port.getHost().port}/"

    async def test_an_answer_may_be_long(self) -> None:
        answers, url = self.serve(fetch.ANSWER_LIMIT - 1000)
        status, body = await Deferred.fromCoroutine(self.fetch(url))
        self.assertEqual((status, len(body)), (200, fetch.ANSWER_LIMIT - 1000))
        await answers.gone

    async def test_beyond_the_limit_it_is_not_heard_to_the_end(self) -> None:
        answers, url = self.serve(1 << 40)
        with self.assertRaises(NoAnswer) as caught:
            await Deferred.fromCoroutine(self.fetch(url))
        self.assertIn("longer than 16777216 bytes", str(caught.exception))
        await answers.gone
        self.assertGreater(answers.left, (1 << 40) - 2 * fetch.ANSWER_LIMIT)
