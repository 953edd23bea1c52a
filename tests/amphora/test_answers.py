"""The agent's API is put together from parts, and answers each request by the one that it is for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyRequest

from amphora.answers import Malformed, application
from amphora.routing import Route, Routes, Unrouted
from amphora.runner import ReloadRefused
from octavia_tx.wire.rest import FENCE_HEADER

ID = "22222222-2222-4222-8222-222222222222"


class Named:
    """A part whose methods have the names that others' have."""

    def __init__(self, *routes: tuple[str, str], answer: Any = b"") -> None:
        self._routes = routes
        self._answer = answer

    def routes(self) -> Iterable[Route]:
        return [(method, path, self.upload) for method, path in self._routes]

    def upload(self, request: object, **arguments: object) -> Any:
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer


class Finding(SynchronousTestCase):
    def routes(self, *routes: tuple[str, str]) -> Routes:
        return Routes([(method, path, lambda at=f"{method} {path}": at) for method, path in routes], lambda *_: b"")

    def found(self, routes: Routes, method: str, path: str) -> tuple[str, dict[str, Any]]:
        answer, arguments = routes.find(method, path)
        return answer(), arguments

    def refused(self, routes: Routes, method: str, path: str) -> Unrouted:
        return self.assertRaises(Unrouted, routes.find, method, path)

    def test_what_is_spelled_out_goes_before_what_varies(self) -> None:
        paths = ("/<name>", "/<uuid:id>", "/upload", "/<uuid:id>/<name>", "/<uuid:id>/haproxy")
        routes = self.routes(*[("PUT", path) for path in paths])
        self.assertEqual(self.found(routes, "PUT", "/upload"), ("PUT /upload", {}))
        self.assertEqual(self.found(routes, "PUT", "/other"), ("PUT /<name>", {"name": "other"}))
        self.assertEqual(self.found(routes, "PUT", f"/{ID}"), ("PUT /<uuid:id>", {"id": UUID(ID)}))
        self.assertEqual(self.found(routes, "PUT", f"/{ID}/haproxy")[0], "PUT /<uuid:id>/haproxy")
        self.assertEqual(self.found(routes, "PUT", f"/{ID}/stop")[1], {"id": UUID(ID), "name": "stop"})

    def test_another_method_s_route_may_vary_more(self) -> None:
        routes = self.routes(("GET", "/a/haproxy"), ("PUT", "/a/<name>"))
        self.assertEqual(self.found(routes, "PUT", "/a/haproxy")[1], {"name": "haproxy"})

    def test_head_is_a_get(self) -> None:
        self.assertEqual(self.found(self.routes(("GET", "/")), "HEAD", "/")[0], "GET /")

    def test_slashes_in_a_row_are_one(self) -> None:
        routes = self.routes(("GET", "/"), ("GET", "/a/<name>"))
        self.assertEqual(self.found(routes, "GET", "//")[0], "GET /")
        self.assertEqual(self.found(routes, "GET", "//a///b")[1], {"name": "b"})

    def test_segments_are_decoded_one_by_one(self) -> None:
        routes = self.routes(("GET", "/<name>"))
        self.assertEqual(self.found(routes, "GET", "/a%2Fb%20c")[1], {"name": "a/b c"})

    def test_what_nobody_answers(self) -> None:
        routes = self.routes(("GET", "/a"), ("GET", "/x/<name>"), ("GET", "/u/<uuid:id>"))
        for path in ("/", "/b", "/a/", "/x/", "/x/a/b", "/u/a", f"/u/{ID}0", f"/u/{{{ID}}}", "*", ""):
            self.assertEqual(self.refused(routes, "GET", path).status, 404, path)

    def test_what_another_method_answers(self) -> None:
        error = self.refused(self.routes(("GET", "/a"), ("PUT", "/<name>")), "POST", "/a")
        self.assertEqual((error.status, error.allowed), (405, {"GET", "PUT"}))


class Answering(SynchronousTestCase):
    def ask(self, *parts: Named, method: bytes = b"PUT", path: bytes = b"/one", fence: str | None = None) -> Any:
        request: Any = DummyRequest([path[1:]])
        request.method, request.path, request.uri = method, path, path
        if fence is not None:
            request.requestHeaders.setRawHeaders(FENCE_HEADER, [fence])
        application(parts).answer(request)
        return request

    def test_parts_with_methods_of_the_same_name_are_told_apart(self) -> None:
        parts = Named(("PUT", "/one"), answer=b"1"), Named(("PUT", "/two"), answer=b"2")
        self.assertEqual(self.ask(*parts).written, [b"1"])
        self.assertEqual(self.ask(*parts, path=b"/two").written, [b"2"])

    def test_an_answer_may_come_later(self) -> None:
        later: Deferred[bytes] = Deferred()
        request = self.ask(Named(("PUT", "/one"), answer=later))
        self.assertEqual((request.written, request.finished), ([], 0))
        later.callback(b"now")
        self.assertEqual((request.written, request.finished), ([b"now"], 1))

    def test_nobody_is_answered_who_has_gone_and_what_he_asked_for_goes_on(self) -> None:
        later: Deferred[bytes] = Deferred()
        request = self.ask(Named(("PUT", "/one"), answer=later))
        request.processingFailed(Exception("gone"))
        self.assertNoResult(later)
        later.callback(b"too late")
        self.assertEqual((request.written, request.finished), ([], 0))

    def test_failures_have_their_answers(self) -> None:
        for error, status in ((ReloadRefused("no"), 500), (Malformed("no"), 400), (OSError("full"), 500)):
            request = self.ask(Named(("PUT", "/one"), answer=error))
            self.assertEqual((request.responseCode, request.finished), (status, 1))
            self.assertIn(str(error).encode(), b"".join(request.written))

    def test_a_fence_that_can_not_be_is_refused_whatever_is_asked_for(self) -> None:
        part = Named(("PUT", "/one"), answer=b"done")
        for wrong in ("x", "-1", "", "1.0", str(2**63), "9" * 5000):
            request = self.ask(part, fence=wrong)
            self.assertEqual(request.responseCode, 400, wrong)
            self.assertIn(FENCE_HEADER.encode(), b"".join(request.written))
        for good in ("0", str(2**63 - 1)):
            self.assertEqual(self.ask(part, fence=good).written, [b"done"])

    def test_what_nobody_foresaw_is_in_the_log_alone(self) -> None:
        request = self.ask(Named(("PUT", "/one"), answer=LookupError("a secret")))
        self.assertEqual(request.responseCode, 500)
        self.assertNotIn(b"secret", b"".join(request.written))
        self.assertEqual(len(self.flushLoggedErrors(LookupError)), 1)

    def test_methods_that_are_answered_are_told(self) -> None:
        request = self.ask(Named(("PUT", "/one"), ("GET", "/one")), method=b"PATCH")
        self.assertEqual(request.responseCode, 405)
        self.assertEqual(request.responseHeaders.getRawHeaders(b"allow"), [b"GET, PUT"])
