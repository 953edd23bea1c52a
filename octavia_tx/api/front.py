"""HTTP's side of the API: what is a request at all, and how answers are written."""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import Any

import orjson
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from octavia_tx.api.call import LARGEST_BODY, Answer
from octavia_tx.api.errors import client_fault, router_fault
from octavia_tx.model.caller import Presented
from octavia_tx.tracing import RequestIds

REQUEST_ID = b"X-Openstack-Request-Id"
GLOBAL_REQUEST_ID = b"X-Openstack-Global-Request-Id"


class BoundedRequest(Request):
    """
    A request on an L{octavia_tx.api.channel.Channel}. One whose body is too large is answered as soon as that is known.

    @param largest_body: in bytes.
    @ivar media: what the client calls its body.
    """

    def __init__(self, channel: Any, *queued: Any, largest_body: int = LARGEST_BODY) -> None:
        super().__init__(channel, *queued)
        self.media: str | None = None
        self._largest_body = largest_body
        self._received = 0

    def gotLength(self, length: int | None) -> None:
        """Make room for a body of that length, or one that isn't known."""
        if length is not None and length > self._largest_body:
            self.requestHeaders.removeHeader(b"Expect")  # else Twisted would ask for the body still
            self._refuse()
        else:
            super().gotLength(length)

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a part of the body, as long as there's room."""
        self._received += len(data)
        if self._received > self._largest_body:
            self._refuse()
        else:
            super().handleContentChunk(data)

    def _refuse(self) -> None:
        channel: Any = self.channel
        channel.refuse(413, f"The body is larger than {self._largest_body} bytes.")

    def cut_off(self, status: int, sentence: str) -> None:
        """Write an answer before the request is here as a whole; there will be no other."""
        self.clientproto = b"HTTP/1.1"
        identify(self)
        self.setHeader(b"Connection", b"close")
        self.write(write(self, Answer(status, client_fault(sentence))))

    def requestReceived(self, command: bytes, path: bytes, version: bytes) -> None:
        """
        Go on with a request that is here as a whole.

        Its body is JSON mostly, whatever it is called, so Twisted needn't read it as a form; and its target may be a
        whole URL (RFC 9112, 3.2.2).
        """
        self.media = said(self, b"Content-Type")
        self.requestHeaders.removeHeader(b"Content-Type")
        scheme, separator, rest = path.partition(b"://")
        if separator and scheme.lower() in (b"http", b"https"):
            host, _, local = rest.partition(b"/")
            self.requestHeaders.setRawHeaders(b"Host", [host])
            path = b"/" + local
        super().requestReceived(command, path, version)

    def process(self) -> None:
        """Answer the request. One that is about the server as a whole, C{OPTIONS *}, meets no route of ours."""
        if self.path == b"*":
            identify(self)
        super().process()


class Front(Resource):
    """
    Stands before the routes and turns away what they can't read: paths, hosts and methods that aren't text.

    @param routes: all the rest.
    """

    isLeaf = True

    def __init__(self, routes: IResource) -> None:
        super().__init__()
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


def identify(request: IRequest) -> RequestIds:
    """Give the request an id of its own, beside the one that its client may know it by, and tell the client both."""
    claimed = request.getHeader(REQUEST_ID)
    ids = RequestIds.fresh(claimed.decode("ascii", "replace") if claimed else None)
    request.setHeader(REQUEST_ID, ids.own.encode())
    if ids.given is not None:
        request.setHeader(GLOBAL_REQUEST_ID, ids.given.encode())
    return ids


def origin(request: Request, base_uri: str = "") -> str:
    """
    How the client reaches the API: its scheme, host and port, and, behind a proxy, what stands before the paths.

    @param base_uri: what the operator says that it is; empty: what the client used, as far as that arrives here.
    """
    if base_uri:
        return base_uri.rstrip("/")
    scheme = "https" if request.isSecure() else "http"
    host: bytes = request.getHeader(b"Host") or request.getRequestHostname()
    return f"{scheme}://{host.decode('utf-8', 'replace')}"


def read_body(request: Request) -> bytes:
    """The body; its size was looked at when it came."""
    content = request.content
    if content is None:
        return b""
    content.seek(0)
    body: bytes = content.read()
    return body


def path(request: Request) -> str:
    """The request's path as the client wrote it, without the query string."""
    written: bytes = request.uri.partition(b"?")[0]
    return written.decode("ascii", "replace")


def said(request: IRequest, name: bytes) -> str | None:
    """A header. What isn't UTF-8 becomes lone surrogates, which nobody accepts."""
    value: bytes | None = request.getHeader(name)
    return None if value is None else value.decode("utf-8", "surrogateescape")


def presented(request: IRequest) -> Presented:
    """What a request says of who it comes from."""
    return Presented(
        token=said(request, b"X-Auth-Token") or None,
        service_token=said(request, b"X-Service-Token") or None,
        project_id=said(request, b"X-Project-Id") or None,
    )


def write(request: IRequest, answer: Answer) -> bytes:
    """Set the answer's head, and give its body."""
    request.setResponseCode(answer.status)
    for name, value in answer.headers.items():
        request.setHeader(name, value)
    if answer.raw is not None:
        request.setHeader(b"Content-Length", b"%d" % len(answer.raw))
        return answer.raw
    if answer.body is None:
        if answer.status != 204:
            request.setHeader(b"Content-Length", b"0")
        request.responseHeaders.removeHeader(b"Content-Type")
        return b""
    encoded = _encoded(answer.body)
    if answer.revision is not None:
        tag = _tag(answer.revision, encoded)
        request.setHeader(b"ETag", tag)
        if request.method in (b"GET", b"HEAD") and _names(said(request, b"If-None-Match"), tag):
            request.setResponseCode(304)
            request.responseHeaders.removeHeader(b"Content-Type")
            return b""
    request.setHeader(b"Content-Type", b"application/json")
    request.setHeader(b"Content-Length", b"%d" % len(encoded))
    return encoded


def _tag(revision: int, shown: bytes) -> str:
    """The revision alone wouldn't do: statuses change, and fields are chosen, while it stays."""
    return f'"{revision}-{blake2b(shown, digest_size=8).hexdigest()}"'


def _names(header: str | None, tag: str) -> bool:
    """Whether C{If-None-Match} (RFC 9110, 13.1.2) names a tag: the client has what is shown already."""
    if header is None:
        return False
    return header.strip() == "*" or tag in {each.strip().removeprefix("W/") for each in header.split(",")}


def _encoded(body: Any) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # half a surrogate pair, which a refusal may repeat, can only be written escaped
        return json.dumps(body, separators=(",", ":"), allow_nan=False).encode("ascii")
