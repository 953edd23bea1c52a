"""Connections of clients that are slow, greedy, or in the way when the daemon ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ISSLTransport, ITCPTransport
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from zope.interface import alsoProvides, implementer

from octavia_tx.api.channel import LINGER, LINGER_QUIET, Channel, Limits
from octavia_tx.api.front import read_body
from octavia_tx.tap.site import DRAIN, QuietSite

LIMITS = Limits(request_timeout=20, idle_timeout=60, largest_body=100)
GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"POST / HTTP/1.1\r\nHost: a\r\n"


@implementer(ITCPTransport)
class Wire(StringTransport):
    """The daemon's end of a TCP connection."""

    half_closed = False
    aborted = False
    channel: Channel | None = None

    def loseWriteConnection(self) -> None:
        self.half_closed = True

    def abortConnection(self) -> None:
        self.aborted = True
        self.end()

    def end(self) -> None:
        """Nobody is at the other end any more."""
        channel, self.channel = self.channel, None
        if channel is not None:
            channel.connectionLost(Failure(ConnectionDone()))

    def setTcpNoDelay(self, enabled: object) -> None: ...

    @property
    def closed(self) -> bool:
        return self.half_closed or self.disconnecting or self.aborted


class Waiting(Resource):
    """Keeps its requests until the test answers them."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.requests: list[Any] = []

    def render(self, request: Any) -> int:
        self.requests.append(request)
        return NOT_DONE_YET

    def answer(self, size: int = 2) -> None:
        request = self.requests.pop(0)
        request.setHeader(b"Content-Length", b"%d" % size)
        request.write(b"x" * size)
        request.finish()


class ChannelCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.resource = Waiting()
        self.site = QuietSite(self.resource, self.clock, LIMITS)
        self.wire, self.say = self.connect()

    def connect(self) -> tuple[Wire, Callable[[bytes], None]]:
        wire = Wire()
        channel: Any = self.site.buildProtocol(None)
        wire.channel = channel
        channel.makeConnection(wire)
        return wire, lambda data: channel.dataReceived(data)

    def answered(self) -> tuple[int, dict[str, str], bytes]:
        """The status, headers and body of the only answer."""
        head, _, body = self.wire.value().partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.assertEqual(self.wire.value().count(b"HTTP/1.1 "), 1, self.wire.value())
        return int(first.split()[1]), dict(line.lower().split(": ") for line in lines), body

    def assertCutOff(self, status: int, words: str) -> None:
        told, headers, body = self.answered()
        self.assertEqual((told, headers["connection"]), (status, "close"))
        fault = json.loads(body)
        self.assertEqual((fault["faultcode"], fault["debuginfo"], len(fault)), ("Client", None, 3))
        self.assertIn(words, fault["faultstring"])
        self.assertRegex(headers["x-openstack-request-id"], r"\Areq-[0-9a-f-]{36}\Z")
        self.assertEqual(int(headers["content-length"]), len(body))
        self.assertTrue(self.wire.half_closed)


class SlowClients(ChannelCase):
    """Time goes by."""

    def drip(self, data: bytes, seconds: float) -> None:
        for byte in data:
            self.say(bytes([byte]))
            self.clock.advance(seconds)

    def test_a_head_that_drips_is_timed_out_however_many_bytes_arrive(self) -> None:
        self.drip(GET[:19], 1)
        self.assertFalse(self.wire.closed)
        self.drip(GET[19:21], 1)
        self.assertCutOff(408, "within 20 seconds")

    def test_a_first_line_that_never_ends_is_timed_out(self) -> None:
        self.say(b"GE")
        self.clock.advance(20)
        self.assertCutOff(408, "within 20 seconds")

    def test_a_body_that_drips_is_timed_out_together_with_its_head(self) -> None:
        self.say(HEAD)
        self.clock.advance(10)
        self.say(b"Content-Length: 50\r\n\r\n")
        self.drip(b"x" * 9, 1)
        self.assertFalse(self.wire.closed)
        self.drip(b"x", 1)
        self.assertCutOff(408, "within 20 seconds")
        self.assertEqual(self.resource.requests, [])

    def test_a_request_in_time_is_served_however_long_its_answer_takes(self) -> None:
        self.drip(GET[:-1], 0.5)
        self.say(GET[-1:])
        self.clock.advance(10_000)
        self.assertFalse(self.wire.closed)
        self.resource.answer()
        self.assertEqual(self.answered()[0], 200)

    def test_each_request_of_a_connection_has_the_whole_time(self) -> None:
        for _ in range(5):
            self.wire.clear()
            self.drip(GET[:-1], 0.5)
            self.say(GET[-1:])
            self.resource.answer()
            self.assertEqual(self.answered()[0], 200)

    def test_a_request_that_was_sent_together_with_another_is_timed_out_too(self) -> None:
        self.say(GET + HEAD)
        self.clock.advance(100)
        self.resource.answer()
        self.wire.clear()
        self.clock.advance(20)
        self.assertCutOff(408, "within 20 seconds")

    def test_an_idle_connection_is_closed_without_a_word(self) -> None:
        self.say(GET)
        self.resource.answer()
        self.wire.clear()
        self.clock.advance(59)
        self.assertFalse(self.wire.closed)
        self.clock.advance(1)
        self.assertTrue(self.wire.disconnecting)
        self.assertEqual(self.wire.value(), b"")

    def test_a_connection_without_any_request_is_closed_without_a_word(self) -> None:
        self.say(b"\r\n")
        self.clock.advance(60)
        self.assertTrue(self.wire.disconnecting)
        self.assertEqual(self.wire.value(), b"")

    def test_a_stream_is_not_ended(self) -> None:
        self.say(GET)
        (request,) = self.resource.requests
        for _ in range(100):
            request.write(b"data: x\n\n")
            self.clock.advance(30)
        self.assertFalse(self.wire.closed)

    def test_nothing_is_left_of_a_connection_that_is_gone(self) -> None:
        for data in (b"", b"GET", HEAD, GET, HEAD + b"Content-Length: 1000\r\n\r\n"):
            wire, say = self.connect()
            say(data)
            wire.end()
        self.wire.end()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Bodies(ChannelCase):
    """How much may be sent."""

    def test_the_largest_is_taken(self) -> None:
        self.say(HEAD + b"Content-Length: 100\r\n\r\n" + b"x" * 100)
        self.assertEqual(read_body(self.resource.requests[0]), b"x" * 100)

    def test_a_length_that_is_too_large_is_refused_before_the_body_comes(self) -> None:
        self.say(HEAD + b"Content-Length: 101\r\n\r\n")
        self.assertCutOff(413, "larger than 100 bytes")

    def test_a_client_that_asks_first_is_not_told_to_go_on(self) -> None:
        self.say(HEAD + b"Expect: 100-continue\r\nContent-Length: 101\r\n\r\n")
        self.assertCutOff(413, "larger than 100 bytes")

    def test_a_client_that_asks_first_is_told_to_go_on_with_less(self) -> None:
        self.say(HEAD + b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n")
        self.assertEqual(self.wire.value(), b"HTTP/1.1 100 Continue\r\n\r\n")

    def test_chunks_that_become_too_large_are_refused(self) -> None:
        self.say(HEAD + b"Transfer-Encoding: chunked\r\n\r\n32\r\n" + b"x" * 50 + b"\r\n")
        self.assertEqual(self.wire.value(), b"")
        self.say(b"34\r\n" + b"x" * 51)
        self.assertCutOff(413, "larger than 100 bytes")

    def test_what_comes_after_a_refusal_is_no_request(self) -> None:
        for head, body in (
            (b"Content-Length: 101\r\n\r\n", b"x" * 101),
            (b"Transfer-Encoding: chunked\r\n\r\n", b"65\r\n" + b"x" * 101 + b"\r\n0\r\n\r\n"),
        ):
            self.wire, self.say = self.connect()
            self.say(HEAD + head + body + GET + GET)
            self.say(GET)
            self.assertCutOff(413, "larger than 100 bytes")
            self.assertEqual(self.resource.requests, [])

    def test_a_client_may_go_on_sending_for_a_while_and_still_read_the_answer(self) -> None:
        self.say(HEAD + b"Content-Length: 1000000\r\n\r\n")
        for _ in range(int(LINGER) - 1):
            self.say(b"x" * 10_000)
            self.clock.advance(1)
        self.assertFalse(self.wire.aborted)
        self.clock.advance(1)
        self.assertTrue(self.wire.aborted)

    def test_a_client_that_stops_sending_is_not_waited_for(self) -> None:
        self.say(HEAD + b"Content-Length: 1000000\r\n\r\n")
        self.clock.advance(LINGER_QUIET)
        self.assertTrue(self.wire.aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_over_tls_the_connection_is_closed_by_tls(self) -> None:
        alsoProvides(self.wire, ISSLTransport)
        self.say(HEAD + b"Content-Length: 101\r\n\r\n")
        self.assertEqual(self.answered()[0], 413)
        self.assertEqual((self.wire.disconnecting, self.wire.half_closed), (True, False))


class Heads(ChannelCase):
    """What can't be read."""

    def test_what_is_not_http_is_told(self) -> None:
        for data in (
            b"fish\r\n",
            HEAD + b"no header\r\n\r\n",
            HEAD + b"Content-Length: x\r\n\r\n",
            HEAD + b"Transfer-Encoding: chunked\r\n\r\nfish\r\n",
        ):
            self.wire, self.say = self.connect()
            self.say(data + GET)
            self.assertCutOff(400, "isn't HTTP")
        self.assertEqual(self.resource.requests, [])

    def test_a_head_that_is_too_large_is_told(self) -> None:
        for data in (
            b"GET /" + b"x" * 20_000,
            b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n",
            HEAD + b"X: " + b"x" * 20_000,
            HEAD + b"X: xxxxxxx\r\n" * 2000,
        ):
            self.wire, self.say = self.connect()
            self.say(data)
            self.assertCutOff(431, "16384")


class ClientsThatDoNotRead(ChannelCase):
    """The transport tells by C{pauseProducing} that it has enough to write."""

    def pause(self) -> None:
        assert self.wire.channel is not None
        self.wire.channel.pauseProducing()

    def resume(self) -> None:
        assert self.wire.channel is not None
        self.wire.channel.resumeProducing()

    def test_no_further_request_is_begun_until_the_answer_is_read(self) -> None:
        self.say(GET * 3)
        self.pause()
        self.resource.answer()
        self.assertEqual(self.resource.requests, [])
        self.resume()
        self.assertEqual(len(self.resource.requests), 1)

    def test_nothing_is_read_meanwhile(self) -> None:
        self.say(GET)
        self.pause()
        self.assertEqual(self.wire.producerState, "paused")
        self.resource.answer()
        self.assertEqual(self.wire.producerState, "paused")
        self.resume()
        self.assertEqual(self.wire.producerState, "producing")

    def test_requests_that_come_nevertheless_are_served_later(self) -> None:
        self.say(GET)
        self.pause()
        self.say(GET[:5])
        self.resource.answer()
        self.say(GET[5:])
        self.assertEqual(self.resource.requests, [])
        self.resume()
        self.assertEqual(len(self.resource.requests), 1)
        self.resource.answer()

    def test_reading_goes_on_during_a_stream_that_was_held_up(self) -> None:
        self.say(GET)
        self.pause()
        self.resume()
        self.assertEqual(self.wire.producerState, "producing")

    def test_a_client_that_never_reads_its_last_answer_is_cut_off(self) -> None:
        self.say(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        self.pause()
        self.resource.answer()
        self.assertTrue(self.wire.disconnecting)
        self.clock.advance(60)
        self.assertTrue(self.wire.aborted)

    def test_a_client_that_never_reads_but_could_ask_on_is_cut_off(self) -> None:
        self.say(GET)
        self.pause()
        self.resource.answer()
        self.clock.advance(60)
        self.clock.advance(60)
        self.assertTrue(self.wire.aborted)


class Draining(ChannelCase):
    """The daemon ends."""

    def drain(self) -> Deferred[None]:
        return Deferred.fromCoroutine(self.site.drain())

    def test_without_connections_it_is_done(self) -> None:
        self.wire.end()
        self.successResultOf(self.drain())

    def test_idle_connections_are_closed_at_once(self) -> None:
        drained = self.drain()
        self.assertTrue(self.wire.disconnecting)
        self.assertNoResult(drained)
        self.wire.end()
        self.successResultOf(drained)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_request_under_way_is_answered_and_told_that_it_was_the_last(self) -> None:
        self.say(GET + GET)
        drained = self.drain()
        self.clock.advance(1)
        self.resource.answer()
        self.assertEqual(self.answered()[1]["connection"], "close")
        self.assertTrue(self.wire.disconnecting)
        self.assertEqual(self.resource.requests, [])
        self.wire.end()
        self.successResultOf(drained)

    def test_a_request_that_is_still_arriving_is_answered(self) -> None:
        for part in (3, len(HEAD), len(HEAD) + 30):
            self.wire, self.say = self.connect()
            request = HEAD + b"Content-Length: 9\r\n\r\n" + b"x" * 9
            self.say(request[:part])
            self.drain()
            self.say(request[part:])
            self.resource.answer()
            self.assertEqual(self.answered()[1]["connection"], "close")
            self.assertTrue(self.wire.disconnecting)
            self.wire.end()

    def test_a_stream_ends(self) -> None:
        self.say(GET)
        self.resource.requests[0].write(b"data: x\n\n")
        self.drain()
        self.assertTrue(self.wire.disconnecting)
        self.wire.end()

    def test_who_takes_too_long_is_cut_off(self) -> None:
        self.say(HEAD)
        drained = self.drain()
        self.clock.advance(DRAIN)
        self.assertTrue(self.wire.aborted)
        self.successResultOf(drained)
