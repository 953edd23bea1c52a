"""HTTP for the agent's API: bodies are bounded before they are read."""

from __future__ import annotations

import json
from typing import Any, Final

from twisted.web.resource import IResource
from twisted.web.server import Request, Site

BODY_LIMIT: Final = 8 << 20  # bytes
IDLE_LIMIT: Final = 60  # seconds that a connection may be idle


class BoundedRequest(Request):
    """Refuses a body larger than L{BODY_LIMIT}, whether it says so at its head or not, and hangs up."""

    _taken = 0
    _refused = False

    def gotLength(self, length: int | None) -> None:
        """See L{Request.gotLength}."""
        if length is not None and length > BODY_LIMIT:
            self._refuse()
        super().gotLength(None if self._refused else length)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        """See L{Request.handleContentChunk}."""
        self._taken += len(data)
        if not self._refused and self._taken > BODY_LIMIT:
            self._refuse()
        if not self._refused:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """See L{Request.requestReceived}."""
        if not self._refused:
            super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def _refuse(self) -> None:
        self._refused = True
        sentence = f"413 Request Entity Too Large: The body may have {BODY_LIMIT} bytes."
        body = json.dumps({"error": sentence, "http_code": 413}).encode()
        head = (
            "HTTP/1.1 413 Request Entity Too Large\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        channel: Any = self.channel
        channel.transport.write(head.encode() + body)
        channel.loseConnection()


class QuietSite(Site):
    """Each change is in the log already, with its request's id: a line for every call would tell nothing more."""

    def log(self, request: object) -> None:
        """See L{Site.log}."""


def site(resource: IResource) -> Site:
    """The resource, as a site."""
    made = QuietSite(resource, requestFactory=BoundedRequest, timeout=IDLE_LIMIT)  # type: ignore[no-untyped-call]
    made.displayTracebacks = False
    return made
