"""Bodies that are, and aren't, what a request may be."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.api.call import parse
from octavia_tx.api.filters import yes_or_no
from octavia_tx.errors import InvalidInput, MalformedBody
from tests.api.test_types import json_values


class ParseTests(SynchronousTestCase):
    """JSON, within reason."""

    @given(st.binary(max_size=64))
    def test_any_bytes_are_json_or_refused(self, body: bytes) -> None:
        try:
            json.dumps(parse(body), allow_nan=False)
        except MalformedBody as error:
            self.assertTrue(str(error).startswith("The body "))

    @given(json_values)
    def test_json_is_read_as_it_is(self, value: object) -> None:
        body = json.dumps(value).encode()
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            self.assertRaises(MalformedBody, parse, body)
        else:
            self.assertEqual(parse(body), json.loads(body))

    def test_what_is_not_json_is_refused(self) -> None:
        for body in (
            b"",
            b"  \n",
            b"{",
            b"\xff\xfe",
            b"{'a': 1}",
            b"[NaN]",
            b"[-Infinity]",
            b"1" * 5000,
            b"\xef\xbb\xbf{}",
        ):
            self.assertRaises(MalformedBody, parse, body)

    def test_bodies_of_any_depth_are_told_from_resources(self) -> None:
        for depth in (13, 500, 900, 100_000):
            self.assertRaises(MalformedBody, parse, b"[" * depth + b"]" * depth)
            self.assertRaises(MalformedBody, parse, b'{"a":' * depth + b"1" + b"}" * depth)
        self.assertEqual(parse(b"[" * 11 + b"]" * 11)[0][0][0], [[[[[[[[]]]]]]]])

    def test_truth_in_query_strings_has_a_few_spellings(self) -> None:
        for spelled, meant in (("true", True), ("True", True), ("1", True), ("false", False), ("0", False)):
            self.assertIs(yes_or_no("cascade", spelled), meant)
        for spelled in ("", "maybe", "2"):
            self.assertRaises(InvalidInput, yes_or_no, "cascade", spelled)
