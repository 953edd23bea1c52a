"""An answer that goes on, and how it ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api.stream import Outlet, Stream


class Request:
    """What of a request, its channel and its transport a stream uses."""

    def __init__(self, method: bytes = b"GET") -> None:
        self.method = method
        self.channel = self.transport = self
        self.headers: dict[bytes, bytes] = {}
        self.written: list[bytes] = []
        self.done: list[str] = []

    def setHeader(self, name: bytes, value: bytes) -> None:
        self.headers[name] = value

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.done.append(f"register {streaming}")

    def unregisterProducer(self) -> None:
        self.done.append("unregister")

    def loseConnection(self) -> None:
        self.done.append("lose")

    def abortConnection(self) -> None:
        self.done.append("abort")


class Feed:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begin(self, outlet: Outlet) -> None:
        self.told.append("begin")
        outlet.write(b"first")

    def go_on(self) -> None:
        self.told.append("go on")

    def end(self) -> None:
        self.told.append("end")


class StreamTests(SynchronousTestCase):
    """A stream that has begun."""

    def setUp(self) -> None:
        self.request, self.feed = Request(), Feed()
        self.stream = Stream(self.request, self.feed)  # type: ignore[arg-type]
        self.ended = self.stream.begin()

    def test_the_feed_writes_to_the_client(self) -> None:
        self.assertEqual(self.request.headers[b"Content-Type"], b"text/event-stream")
        self.assertEqual((self.request.written, self.request.done), ([b"first"], ["register True"]))
        self.assertTrue(self.stream.writable)
        self.assertNoResult(self.ended)

    def test_the_feed_is_told_when_the_client_does_not_read_and_when_it_does(self) -> None:
        self.stream.pauseProducing()
        self.assertFalse(self.stream.writable)
        self.stream.resumeProducing()
        self.assertTrue(self.stream.writable)
        self.assertEqual(self.feed.told, ["begin", "go on"])

    def test_a_stream_that_is_closed_is_ended_as_an_answer_is(self) -> None:
        self.stream.close()
        self.successResultOf(self.ended)
        self.assertEqual(self.request.done[1:], ["unregister", "lose"])
        self.after_its_end()

    def test_a_client_that_is_behind_is_not_waited_for(self) -> None:
        self.stream.pauseProducing()
        self.stream.close()
        self.assertEqual(self.request.done[1:], ["abort"])
        self.assertNoResult(self.ended)  # the connection's end cancels it
        self.after_its_end()

    def test_a_client_that_hangs_up_ends_the_feed(self) -> None:
        self.ended.cancel()
        self.failureResultOf(self.ended, CancelledError)
        self.stream.stopProducing()
        self.after_its_end()

    def after_its_end(self) -> None:
        self.stream.close()
        self.stream.write(b"more")
        self.stream.resumeProducing()
        self.assertFalse(self.stream.writable)
        self.assertEqual((self.feed.told, self.request.written), (["begin", "end"], [b"first"]))

    def test_the_head_alone_ends_at_once(self) -> None:
        request, feed = Request(b"HEAD"), Feed()
        self.successResultOf(Stream(request, feed).begin())  # type: ignore[arg-type]
        self.assertEqual((request.written, feed.told), ([], ["end"]))
