"""An answer that goes on: Server-Sent Events to one client, until it hangs up or the server ends."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.web.server import Request
from zope.interface import implementer

_HEAD = (
    (b"Content-Type", b"text/event-stream"),
    (b"Cache-Control", b"no-store"),
    (b"X-Accel-Buffering", b"no"),  # proxies shall pass on each event as it comes
)


class Outlet(Protocol):
    """
    What a feed writes to.

    @ivar writable: whether the client has read nearly all that was written. What is written though it hasn't is kept in
        memory.
    """

    @property
    def writable(self) -> bool: ...

    def write(self, data: bytes) -> None:
        """Send this, which may end in C{writable} being C{False}."""

    def close(self) -> None:
        """End the answer now."""


class Feed(Protocol):
    """Where the data of an answer that goes on come from."""

    def begin(self, outlet: Outlet) -> None:
        """Write to this from now on."""

    def go_on(self) -> None:
        """The outlet is writable again."""

    def end(self) -> None:
        """There's nobody to write to any more. Called once, also when nothing was begun."""


@implementer(IPushProducer)
class Stream:
    """The answer to one request. See L{Outlet}."""

    def __init__(self, request: Request, feed: Feed) -> None:
        self._request: Any = request
        self._feed = feed
        self._writable = True
        self._over = False
        self._ended: Deferred[None] = Deferred(lambda _: self.stopProducing())

    def begin(self) -> Deferred[None]:
        """Write the head, and let the feed follow. Fires at its end; the client's hanging up cancels it."""
        for name, value in _HEAD:
            self._request.setHeader(name, value)
        if self._request.method == b"HEAD":
            self._over = True
            self._feed.end()
            self._ended.callback(None)
            return self._ended
        self._request.registerProducer(self, True)
        self._feed.begin(self)
        return self._ended

    @property
    def writable(self) -> bool:
        """See L{Outlet}."""
        return self._writable and not self._over

    def write(self, data: bytes) -> None:
        """See L{Outlet}."""
        if not self._over:
            self._request.write(data)

    def close(self) -> None:
        """See L{Outlet}. A client that is behind doesn't get the rest."""
        if self._over:
            return
        behind, channel = not self._writable, self._request.channel
        self.stopProducing()
        if behind:
            channel.transport.abortConnection()
            return
        self._request.unregisterProducer()
        self._ended.callback(None)
        channel.loseConnection()

    def pauseProducing(self) -> None:
        """The client doesn't read as fast as we write."""
        self._writable = False

    def resumeProducing(self) -> None:
        """It has read what there was."""
        self._writable = True
        if not self._over:
            self._feed.go_on()

    def stopProducing(self) -> None:
        """It is gone."""
        if not self._over:
            self._over = True
            self._feed.end()
