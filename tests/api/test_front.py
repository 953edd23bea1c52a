"""What stands at a request's beginning: its ids, and where the client thinks that we are."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from twisted.web.test.requesthelper import DummyChannel

from octavia_tx.api.call import Answer
from octavia_tx.api.front import BoundedRequest, identify, origin, write

GIVEN = "req-0a1b2c3d-1111-4222-8333-0123456789ab"


def request(**headers: str) -> BoundedRequest:
    made = BoundedRequest(DummyChannel(), False)
    for name, value in headers.items():
        made.requestHeaders.setRawHeaders(name.replace("_", "-"), [value])
    return made


class Identifying(SynchronousTestCase):
    def test_the_client_is_told_our_id_and_its_own(self) -> None:
        asked = request(X_Openstack_Request_Id=GIVEN)
        ids = identify(asked)
        told = dict(asked.responseHeaders.getAllRawHeaders())
        self.assertEqual(ids.given, GIVEN)
        self.assertEqual(told[b"X-Openstack-Request-Id"], [ids.own.encode()])
        self.assertEqual(told[b"X-Openstack-Global-Request-Id"], [GIVEN.encode()])

    def test_what_is_no_id_is_not_repeated(self) -> None:
        for claimed in ("fish", "", "req-\u2603", GIVEN + "x"):
            asked = request(X_Openstack_Request_Id=claimed)
            self.assertIsNone(identify(asked).given)
            self.assertFalse(asked.responseHeaders.hasHeader("X-Openstack-Global-Request-Id"))


class Origins(SynchronousTestCase):
    def test_the_host_is_what_the_client_says(self) -> None:
        self.assertEqual(origin(request(Host="api.example.org:9876")), "http://api.example.org:9876")

    def test_the_operator_knows_better(self) -> None:
        for base_uri in ("https://lb.example.org/octavia", "https://lb.example.org/octavia/"):
            self.assertEqual(origin(request(Host="10.0.0.1:9876"), base_uri), "https://lb.example.org/octavia")


class Bodies(SynchronousTestCase):
    def test_what_is_no_whole_character_is_escaped(self) -> None:
        for said, written in (("\u2603", '{"name":"\u2603"}'), ("\ud800", '{"name":"\\ud800"}')):
            self.assertEqual(write(request(), Answer(200, {"name": said})), written.encode())
