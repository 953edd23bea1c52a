"""HTTP's side of the API: what is a request at all, and how answers are written."""

from __future__ import annotations

import json
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from octavia_tx.api.call import LARGEST_BODY, Answer
from octavia_tx.api.errors import router_fault
from octavia_tx.model.caller import Presented

REQUEST_ID = b"X-Openstack-Request-Id"
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode


class BoundedRequest(Request):
    """A request that keeps no more of its body than the API will look at; L{LARGEST_BODY} and a bit tell it."""

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """
        Go on with a request that is here as a whole.

        Its body is JSON whatever it is called, so Twisted needn't read it as a form; and its target may be a whole
        URL (RFC 9112, 3.2.2).
        """
        self.requestHeaders.removeHeader(b"Content-Type")
        scheme, separator, rest = path.partition(b"://")
        if separator and scheme.lower() in (b"http", b"https"):
            host, _, local = rest.partition(b"/")
            self.requestHeaders.setRawHeaders(b"Host", [host])
            path = b"/" + local
        super().requestReceived(command, path, version)  # type: ignore[no-untyped-call]

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a chunk, as long as there's room."""
        assert self.content is not None
        if self.content.tell() <= LARGEST_BODY:
            super().handleContentChunk(data[: LARGEST_BODY + 1])  # type: ignore[no-untyped-call]


class Front(Resource):
    """
    Stands before the routes and turns away what they can't read: paths, hosts and methods that aren't text.

    @param routes: all the rest.
    """

    isLeaf = True

    def __init__(self, routes: IResource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._routes = routes

    def render(self, request: Request) -> Any:
        """Pass the request on."""
        try:
            b"/".join([request.method, request.getRequestHostname(), *(request.postpath or ())]).decode("utf-8")
            return self._routes.render(request)
        except (HTTPException, UnicodeError):
            identify(request)
            body = router_fault(400, "Bad Request", "The request's method, host or path isn't UTF-8 text.")
            request.write(write(request, Answer(400, body)))
            request.finish()
            return NOT_DONE_YET


def unrouted(request: IRequest, failure: Failure) -> bytes:
    """The answer to what no route takes."""
    error = failure.value
    assert isinstance(error, HTTPException)
    identify(request)
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        request.setHeader(b"Allow", allowed.encode())
        body = router_fault(405, "Method Not Allowed", f"Allowed here: {allowed}.")
        return write(request, Answer(405, body))
    return write(request, Answer(404, router_fault(404, "Not Found", "There is nothing of that path.")))


def identify(request: IRequest) -> str:
    """Give the request an id of its own, and tell the client."""
    request_id = f"req-{uuid4()}"
    request.setHeader(REQUEST_ID, request_id.encode())
    return request_id


def origin(request: Request) -> str:
    """The scheme, host and port that the client used."""
    scheme = "https" if request.isSecure() else "http"
    host: bytes = request.getHeader(b"Host") or request.getRequestHostname()
    return f"{scheme}://{host.decode('utf-8', 'replace')}"


def read_body(request: Request) -> bytes:
    """As much of the body as will be looked at."""
    content = request.content
    if content is None:
        return b""
    content.seek(0)
    body: bytes = content.read(LARGEST_BODY + 1)
    return body


def path(request: Request) -> str:
    """The request's path as the client wrote it, without the query string."""
    written: bytes = request.uri.partition(b"?")[0]
    return written.decode("ascii", "replace")


def said(request: IRequest, name: bytes) -> str | None:
    """A header. What isn't UTF-8 becomes lone surrogates, which nobody accepts."""
    value: bytes | None = request.getHeader(name)
    return value.decode("utf-8", "surrogateescape") if value else None


def presented(request: IRequest) -> Presented:
    """What a request says of who it comes from."""
    return Presented(
        token=said(request, b"X-Auth-Token"),
        service_token=said(request, b"X-Service-Token"),
        project_id=said(request, b"X-Project-Id"),
    )


def write(request: IRequest, answer: Answer) -> bytes:
    """Set the answer's head, and give its body."""
    request.setResponseCode(answer.status)
    for name, value in answer.headers.items():
        request.setHeader(name, value)
    if answer.revision is not None:
        request.setHeader(b"ETag", b'"%d"' % answer.revision)
    if answer.body is None:
        if answer.status != 204:
            request.setHeader(b"Content-Length", b"0")
        request.responseHeaders.removeHeader(b"Content-Type")
        return b""
    encoded = _encode(answer.body).encode("ascii")
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"Content-Length", b"%d" % len(encoded))
    return encoded


def shielded(work: Deferred[Any]) -> Deferred[Any]:
    """The same result for a client, whose hanging up ends the waiting and not the work."""
    waiting: Deferred[Any] = Deferred()
    work.addCallbacks(waiting.callback, waiting.errback)
    return waiting
