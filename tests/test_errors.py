"""Sentences about what went wrong."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.errors import InvalidInput


class InvalidInputTests(SynchronousTestCase):
    """What is said of a value."""

    def test_values_are_shown_as_json(self) -> None:
        for given, shown in (
            (True, "true"),
            (None, "null"),
            (("h2",), '["h2"]'),
            ({"X-Foo": "true"}, '{"X-Foo": "true"}'),
            (1.5, "1.5"),
            ("it's", '"it\'s"'),
        ):
            self.assertIn(f": {shown}. Accepted", str(InvalidInput("f", given, "x")))
