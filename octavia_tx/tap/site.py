"""HTTP around a resource, as our daemons serve it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.web.resource import IResource
from twisted.web.server import Site

from octavia_tx.api.channel import Channel, Limits
from octavia_tx.api.front import BoundedRequest

_LIMITS = Limits()
DRAIN = 10.0  # seconds that clients have for the requests under way when the daemon ends


class QuietSite(Site):
    """A site for clients of whom nothing good is assumed. What is worth a line in the log is logged by the resource."""

    noisy = False
    counted: Callable[[int], None] | None = None
    """Told the number of connections whenever it changes."""

    def __init__(self, resource: IResource, reactor: IReactorTime, limits: Limits = _LIMITS) -> None:
        super().__init__(
            resource,
            requestFactory=partial(BoundedRequest, largest_body=limits.largest_body),
            timeout=limits.idle_timeout,
            reactor=reactor,
        )
        self._channels: set[Channel] = set()
        self._empty: Deferred[None] | None = None
        # Twisted's own makes a channel that changes to HTTP/2 over TLS; ours don't speak it.
        self.protocol = partial(Channel, limits, self._came, self._gone)  # type: ignore[assignment]

    def log(self, request: object) -> None:
        """Twisted's own line for each request is left out."""

    def acceptableProtocols(self) -> list[bytes]:
        """What is spoken."""
        return [b"http/1.1"]

    async def drain(self) -> None:
        """Let the requests under way be answered, and close all connections; all of them within L{DRAIN} seconds."""
        self._empty = Deferred()
        patience = self.reactor.callLater(DRAIN, self._cut)
        for channel in tuple(self._channels):
            channel.retire()
        if self._channels:
            await self._empty
        if patience.active():
            patience.cancel()

    def _came(self, channel: Channel) -> None:
        self._channels.add(channel)
        if self.counted is not None:
            self.counted(len(self._channels))

    def _gone(self, channel: Channel) -> None:
        self._channels.discard(channel)
        if self.counted is not None:
            self.counted(len(self._channels))
        if self._empty is not None and not self._channels and not self._empty.called:
            self._empty.callback(None)

    def _cut(self) -> None:
        for channel in tuple(self._channels):
            channel.abort()
