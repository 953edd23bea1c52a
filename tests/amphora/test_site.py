"""What becomes of requests' bodies."""

from __future__ import annotations

from io import BytesIO

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyChannel

from amphora.site import BODY_LIMIT, BoundedRequest


class Bodies(SynchronousTestCase):
    def test_none_ever_lies_on_a_disk(self) -> None:
        for length in (0, 1, 100_000, BODY_LIMIT, BODY_LIMIT + 1, None):
            request = BoundedRequest(lambda _request: None, DummyChannel(), False)
            request.gotLength(length)
            self.assertIsInstance(request.content, BytesIO)
