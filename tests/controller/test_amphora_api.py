"""The API for amphorae, as far as no database is needed."""

from __future__ import annotations

from typing import Any, cast

from treq.testing import StubTreq
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.amphora_driver.tls import files
from octavia_tx.controller.amphora_api import AmphoraApi
from octavia_tx.db.database import Database

ROUTE = "http://controller/1.0/amphorae/a/load_balancers"


class Refusing(SynchronousTestCase):
    """What no route takes is told in JSON, like all else."""

    def setUp(self) -> None:
        api = AmphoraApi(cast(Database, None), lambda _tree, _amphora_id: "", files, None)
        self.treq = StubTreq(api.resource())

    def ask(self, method: str, url: str) -> tuple[Any, Any]:
        answer = self.successResultOf(self.treq.request(method, url))
        self.assertEqual(answer.headers.getRawHeaders("Content-Type"), ["application/json"])
        return answer, self.successResultOf(answer.json())

    def test_an_unknown_path_is_not_found(self) -> None:
        answer, body = self.ask("GET", "http://controller/2.0/fish")
        self.assertEqual((answer.code, body), (404, {"message": "Not Found."}))

    def test_another_method_is_not_allowed_and_those_that_are_be_named(self) -> None:
        answer, body = self.ask("PUT", ROUTE)
        self.assertEqual((answer.code, body), (405, {"message": "Method Not Allowed."}))
        self.assertIn("GET", answer.headers.getRawHeaders("Allow")[0])

    def test_a_path_that_is_not_text_is_refused_and_no_failure_of_ours(self) -> None:
        answer, body = self.ask("GET", "http://controller/1.0/%ff")
        self.assertEqual((answer.code, list(body)), (400, ["message"]))
        self.assertEqual(self.flushLoggedErrors(), [])
