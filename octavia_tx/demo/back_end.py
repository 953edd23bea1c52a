"""A real HTTP back end: C{python -m octavia_tx.demo.back_end NAME PORT} answers each request with its name."""

from __future__ import annotations

import sys
from typing import Any, cast

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Request, Site


class Greeting(Resource):
    """@ivar name: what is answered to everything."""

    isLeaf = True

    def __init__(self, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.name = name

    def render_GET(self, request: Request) -> bytes:
        """The name, as text."""
        request.setHeader("content-type", "text/plain")
        return f"{self.name}\n".encode()


def main() -> None:
    """Listen on loopback, print the port, and serve until ended."""
    name, port = sys.argv[1:]
    listening = cast(Any, reactor).listenTCP(int(port), Site(Greeting(name)), interface="127.0.0.1")
    sys.stdout.write(f"{listening.getHost().port}\n")
    sys.stdout.flush()
    reactor.run()


if __name__ == "__main__":
    main()
