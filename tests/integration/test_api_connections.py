"""The API's connections over real sockets: clients that send too much, too slowly, or read nothing."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase
from twisted.web.resource import Resource

from octavia_tx.api.channel import Limits
from octavia_tx.tap.site import QuietSite

MIB = 2**20
LIMITS = Limits(request_timeout=0.5, idle_timeout=30, largest_body=MIB)
ANSWER = b"x" * MIB


class Counting(Resource):
    """Answers a MiB, and counts how often."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.answered = 0

    def render(self, request: Any) -> bytes:
        self.answered += 1
        request.setHeader(b"Content-Length", b"%d" % len(ANSWER))
        return ANSWER


def blocks() -> Iterator[bytes]:
    """A hundred MiB."""
    for _ in range(1600):
        yield b"x" * 65536


class PressureTests(TestCase):
    timeout = 60

    def setUp(self) -> None:
        self.resource = Counting()
        site = QuietSite(self.resource, reactor, LIMITS)  # type: ignore[arg-type]
        port = reactor.listenTCP(0, site, interface="127.0.0.1")  # type: ignore[attr-defined]
        self.addCleanup(lambda: maybeDeferred(port.stopListening))
        self.addCleanup(lambda: Deferred.fromCoroutine(site.drain()))
        self.address = ("127.0.0.1", port.getHost().port)

    def post(self, headers: dict[str, str], *, chunked: bool) -> tuple[int, bytes]:
        """Send a hundred MiB, and only then look for an answer."""
        client = http.client.HTTPConnection(*self.address, timeout=30)
        with closing(client):
            client.request("POST", "/", body=blocks(), headers=headers, encode_chunked=chunked)
            answer = client.getresponse()
            return answer.status, answer.read()

    def assertTooLarge(self, status: int, body: bytes) -> None:
        self.assertEqual(status, 413, body)
        self.assertIn(str(MIB), json.loads(body)["faultstring"])
        self.assertEqual(self.resource.answered, 0)

    async def test_a_client_that_sends_a_hundred_mib_reads_the_answer(self) -> None:
        length = {"Content-Length": str(100 * MIB)}
        self.assertTooLarge(*await deferToThread(self.post, length, chunked=False))

    async def test_a_client_that_sends_a_hundred_mib_in_chunks_reads_the_answer(self) -> None:
        chunked = {"Transfer-Encoding": "chunked"}
        self.assertTooLarge(*await deferToThread(self.post, chunked, chunked=True))

    async def test_a_client_that_asks_first_need_not_send_anything(self) -> None:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (100 * MIB)
        heard = await deferToThread(self.converse, head)
        first, _, rest = heard.partition(b"\r\n")
        self.assertEqual(first, b"HTTP/1.1 413 Request Entity Too Large")
        self.assertTooLarge(413, rest.partition(b"\r\n\r\n")[2])

    def converse(self, *parts: bytes, pause: float = 0.0) -> bytes:
        """Say something and hear everything, until the other side closes."""
        heard = b""
        with socket.create_connection(self.address, timeout=30) as client:
            for part in parts:
                client.sendall(part)
                client.settimeout(pause or 30)
                try:
                    while data := client.recv(65536):
                        heard += data
                    return heard
                except TimeoutError:
                    client.settimeout(30)
        raise AssertionError(f"It isn't closed: {heard!r}")

    async def test_a_client_that_drips_is_told_and_let_go(self) -> None:
        drops = [bytes([byte]) for byte in b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100]
        began = time.monotonic()
        heard = await deferToThread(lambda: self.converse(*drops, pause=0.05))
        self.assertTrue(heard.startswith(b"HTTP/1.1 408 "), heard)
        self.assertLess(time.monotonic() - began, 3)

    async def test_a_client_that_never_reads_makes_us_keep_little(self) -> None:
        with socket.create_connection(self.address) as client:
            client.setblocking(False)
            asked = 0
            for _ in range(100):
                try:
                    asked += client.send(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
                except BlockingIOError:
                    break
                await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        # What the sockets' own buffers take, and one more.
        self.assertGreater(asked, 50_000)
        self.assertLess(self.resource.answered, 12)
