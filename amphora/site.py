"""HTTP for the agent's API: bodies are bounded before they are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from twisted.internet.interfaces import IAddress, IProtocolNegotiationFactory
from twisted.web.http import HTTPFactory, Request, datetimeToString
from zope.interface import implementer

BODY_LIMIT: Final = 8 << 20  # bytes
IDLE_LIMIT: Final = 60  # seconds that a connection may be idle

_TOO_LARGE: Final = (413, "Request Entity Too Large", f"The body may have {BODY_LIMIT} bytes.")


class BoundedRequest(Request):
    """
    Refuses a body larger than L{BODY_LIMIT}, whether it says so at its head or not, and a path that isn't UTF-8, and
    hangs up.
    """

    _taken = 0
    _refused = False

    def __init__(self, answer: Callable[[Request], None], channel: Any, queued: object = None) -> None:
        super().__init__(channel, queued)
        self._answer = answer

    def process(self) -> None:
        """See L{Request.process}."""
        self.setHeader("Date", datetimeToString())  # type: ignore[no-untyped-call]
        self._answer(self)

    def gotLength(self, length: int | None) -> None:
        """See L{Request.gotLength}."""
        if length is not None and length > BODY_LIMIT:
            self._refuse(*_TOO_LARGE)
        # Not what twisted does: it would put a large body, or one of unknown length, into a file on a disk, and bodies
        # hold private keys.
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """See L{Request.handleContentChunk}."""
        self._taken += len(data)
        if not self._refused and self._taken > BODY_LIMIT:
            self._refuse(*_TOO_LARGE)
        if not self._refused:
            super().handleContentChunk(data)  # type: ignore[no-untyped-call]

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """See L{Request.requestReceived}."""
        try:
            unquote_to_bytes(path).decode()
        except UnicodeDecodeError:
            self._refuse(400, "Bad Request", "The path isn't UTF-8.")
        if not self._refused:
            super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def _refuse(self, status: int, name: str, sentence: str) -> None:
        self._refused = True
        body = json.dumps({"error": f"{status} {name}: {sentence}", "http_code": status}).encode()
        head = (
            f"HTTP/1.1 {status} {name}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        channel: Any = self.channel
        channel.transport.write(head.encode() + body)
        channel.loseConnection()


@implementer(IProtocolNegotiationFactory)
class AgentSite(HTTPFactory):
    """
    Each change is in the log already, with its request's id: a line for every call would tell nothing more.

    This is less than L{twisted.web.server.Site} is, and takes 2 MB less of memory.
    """

    def __init__(self, answer: Callable[[Request], None]) -> None:
        super().__init__(timeout=IDLE_LIMIT)
        self._answer = answer

    def buildProtocol(self, addr: IAddress | None) -> Any:
        """See L{HTTPFactory.buildProtocol}."""
        channel: Any = super().buildProtocol(addr)
        channel.requestFactory = partial(BoundedRequest, self._answer)
        return channel

    def acceptableProtocols(self) -> list[bytes]:
        """See L{IProtocolNegotiationFactory<twisted.internet.interfaces.IProtocolNegotiationFactory>}."""
        return [b"http/1.1"]

    def log(self, request: object) -> None:
        """See L{HTTPFactory.log}."""
