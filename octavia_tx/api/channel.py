"""
One client's connection: how long it may take, how much it may make us keep, and how it ends.

Twisted's own channel begins its time-out anew with each byte, answers requests whose predecessors' answers the client
hasn't read, and closes in a way that may take the last answer from the client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import frozen
from twisted.internet.interfaces import ISSLTransport, ITCPTransport
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel

from octavia_tx.api.call import LARGEST_BODY

# Seconds for which a client whose request was cut off may go on sending, in all and without a pause that long. What it
# sends is thrown away; if we closed at once, its host would throw away our answer with the connection.
LINGER = 30.0
LINGER_QUIET = 5.0


@frozen(kw_only=True)
class Limits:
    """
    What clients may ask of us.

    @ivar request_timeout: seconds for a request's head and body, in all.
    @ivar idle_timeout: seconds for which a connection is kept without a request; and for which one that is closed waits
        for the client to read the last answer.
    @ivar largest_body: bytes.
    """

    request_timeout: float = 60.0
    idle_timeout: float = 60.0
    largest_body: int = LARGEST_BODY


class Channel(HTTPChannel):
    """
    An HTTP/1.1 connection. Its requests are L{octavia_tx.api.front.BoundedRequest}s.

    @param opened: called with the channel when it is connected.
    @param closed: called with it when that has ended.
    """

    def __init__(self, limits: Limits, opened: Callable[[Channel], None], closed: Callable[[Channel], None]) -> None:
        super().__init__()
        self._limits = limits
        self._opened, self._closed = opened, closed
        self._begun = False  # a request is being received
        self._refused = False
        self._retired = False
        self._last: Any = None  # the call that ends what is being closed, whatever the client does

    def connectionMade(self) -> None:
        """A client is there."""
        super().connectionMade()
        self._opened(self)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        """It is gone."""
        if self._last is not None and self._last.active():
            self._last.cancel()
        super().connectionLost(reason)
        self._closed(self)

    # Receiving a request.

    def dataReceived(self, data: bytes) -> None:
        """Take what the client says; what it says after an answer that cut it off is thrown away."""
        if self._refused:
            super().resetTimeout()
            return
        if not self._handlingRequest and not self.paused and data.strip(b"\r\n"):
            self._begin()
        super().dataReceived(data)

    def resetTimeout(self) -> None:
        """A byte is no reason to wait any longer."""

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self.setTimeout(self._limits.request_timeout)

    def lineReceived(self, line: bytes) -> None:
        """A line of a request's head."""
        if not self._refused:
            if line:
                self._begin()  # of requests sent together, the second begins without new bytes
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        """A part of a body, or of what follows a request that is being worked on."""
        if not self._refused:
            super().rawDataReceived(data)

    def lineLengthExceeded(self, line: bytes) -> None:
        """A request's head that is longer than any."""
        self._refuse_head()

    def allContentReceived(self) -> None:
        """The request is here as a whole: the time for it ends, and there's none for its answer."""
        if self._refused:
            return
        self._begun = False
        self.setTimeout(self._limits.idle_timeout)  # which Twisted stops here, and starts after the answer
        super().allContentReceived()

    # Clients that don't read.

    def pauseProducing(self) -> None:
        """The client doesn't read its answers: read nothing from it, and begin nothing that it has asked for."""
        super().pauseProducing()
        self.paused = True
        self._networkProducer.pauseProducing()

    def resumeProducing(self) -> None:
        """The client has read: go on."""
        self.paused = False
        super().resumeProducing()
        if sum(map(len, self._dataBuffer)) <= self._optimisticEagerReadSize:
            self._networkProducer.resumeProducing()
        self.dataReceived(b"")

    # Ending.

    def timeoutConnection(self) -> None:
        """Whatever was waited for hasn't come."""
        if self._refused:
            self.abort()
        elif self._begun:
            seconds = self._limits.request_timeout
            self.refuse(408, f"The request wasn't here as a whole within {seconds:g} seconds.")
        else:
            self.loseConnection()

    def loseConnection(self) -> None:
        """Close when all is written, or when the client hasn't read it in time."""
        if self._last is None:
            super().loseConnection()
            self._abort_after(self._limits.idle_timeout)

    def retire(self) -> None:
        """Take no further request: close now, or after the answer to the one under way. A stream ends."""
        self._retired = True
        streaming = self._handlingRequest and self.requests and self.requests[0].startedWriting
        if streaming or not (self._begun or self._handlingRequest or self._refused):
            self.loseConnection()
        elif self.requests and not self._refused:
            self.persistent = self._last_one(self.requests[0])

    def checkPersistence(self, request: Any, version: bytes) -> bool:
        """Whether the connection outlives this request."""
        persistent = bool(super().checkPersistence(request, version))
        return self._last_one(request) if self._retired else persistent

    def _last_one(self, request: Any) -> bool:
        request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
        return False

    def refuse(self, status: int, sentence: str) -> None:
        """Answer a request that isn't here as a whole and won't be read any further, and close."""
        if self._refused:
            return
        self._refused = True
        request: Any = self.requests[-1] if self.requests else self.requestFactory(self)
        request.cut_off(status, sentence)
        producer: Any = self._networkProducer
        producer.resumeProducing()
        if ITCPTransport.providedBy(self.transport) and not ISSLTransport.providedBy(self.transport):
            producer.unregisterProducer()
            self.transport.loseWriteConnection()
            self.setTimeout(LINGER_QUIET)
            self._abort_after(LINGER)
        else:
            self.setTimeout(None)
            self.loseConnection()

    def _respondToBadRequestAndDisconnect(self) -> None:
        if self._receivedHeaderSize > self.totalHeadersSize or self._receivedHeaderCount > self.maxHeaders:
            self._refuse_head()
        else:
            self.refuse(400, "The request isn't HTTP: its first line, a header or a chunk can't be read.")

    def _refuse_head(self) -> None:
        self.refuse(
            431, f"The request's head has more than {self.totalHeadersSize} bytes or {self.maxHeaders} headers."
        )

    def _abort_after(self, seconds: float) -> None:
        self._last = self.callLater(seconds, self.abort)

    def abort(self) -> None:
        """Close at once, whatever is still to be written or read."""
        transport: Any = self.transport
        transport.abortConnection()
