"""Failures as HTTP tells them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx import errors
from octavia_tx.api.errors import fault


def every(kind: type[errors.OctaviaError]) -> list[type[errors.OctaviaError]]:
    """A class and all below it."""
    return [kind, *(found for below in kind.__subclasses__() for found in every(below))]


class FaultTests(SynchronousTestCase):
    """One table for all errors."""

    def test_each_error_has_its_status(self) -> None:
        for error, status, code in (
            (errors.InvalidInput("f", 1, "2"), 400, "Client"),
            (errors.MalformedBody("x"), 400, "Client"),
            (errors.ReferenceMissing("f", "Subnet", "x"), 400, "Client"),
            (errors.Forbidden("x"), 403, "Client"),
            (errors.QuotaExceeded("pool", 1, 1), 403, "Client"),
            (errors.RevisionMismatch("x"), 412, "Client"),
            (errors.IdentityUnavailable("x"), 503, "Server"),
            (errors.NotFound("Pool", "x"), 404, "Client"),
            (errors.ParentNotFound("f", "Pool", "x"), 404, "Client"),
            (errors.Conflict("x"), 409, "Client"),
            (errors.BeingDeleted("x"), 409, "Client"),
            (errors.IncompatibleConfiguration("x"), 501, "Server"),
            (errors.DriverError("x"), 500, "Server"),
            (errors.DatabaseUnavailable("x"), 503, "Server"),
            (errors.CloudError("x"), 503, "Server"),
            (ZeroDivisionError("x"), 500, "Server"),
            (SystemExit("x"), 500, "Server"),
        ):
            found, body = fault(error)
            self.assertEqual((found, body["faultcode"], body["debuginfo"]), (status, code, None), error)

    def test_a_sentence_is_told_as_it_is(self) -> None:
        self.assertEqual(fault(errors.NotFound("Pool", "x"))[1]["faultstring"], "Pool x not found.")
        named = fault(errors.ParentNotFound("listener.default_pool_id", "Pool", "x"))[1]["faultstring"]
        self.assertEqual(named, "Pool x, named by listener.default_pool_id, not found.")

    def test_what_lies_beneath_is_not_told(self) -> None:
        for error in (errors.DatabaseUnavailable("host=/secret refused"), ValueError("secret")):
            self.assertNotIn("secret", str(fault(error)[1]["faultstring"]))

    def test_every_error_has_a_place_in_the_table(self) -> None:
        for kind in every(errors.OctaviaError):
            error = kind.__new__(kind)
            self.assertTrue(400 <= fault(error)[0] < 600, kind)
