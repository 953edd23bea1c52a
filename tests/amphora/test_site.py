"""What becomes of requests' bodies."""

from __future__ import annotations

from io import BytesIO

from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyChannel

from amphora.site import BODY_LIMIT, AgentSite, BoundedRequest


class Bodies(SynchronousTestCase):
    def test_none_ever_lies_on_a_disk(self) -> None:
        for length in (0, 1, 100_000, BODY_LIMIT, BODY_LIMIT + 1, None):
            request = BoundedRequest(lambda _request: None, DummyChannel(), False)
            request.gotLength(length)
            self.assertIsInstance(request.content, BytesIO)


class Negotiating(SynchronousTestCase):
    def test_who_negotiates_a_protocol_is_spoken_to_by_http_1(self) -> None:
        site = AgentSite(lambda _request: None)
        self.assertTrue(IProtocolNegotiationFactory.providedBy(site))
        self.assertEqual(site.acceptableProtocols(), [b"http/1.1"])
