"""What an operator leaves tenants to choose."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.errors import InvalidInput
from octavia_tx.model.bounds import Bounds


class BoundsTests(SynchronousTestCase):
    """Values, and what is described within them."""

    bounds = Bounds(minimum_tls_version="TLSv1.2", prohibited_ciphers=frozenset({"RC4-SHA"}), ping=False)

    def refused(self, values: dict[str, Any]) -> str:
        Bounds().check(values, "it")
        return self.assertRaises(InvalidInput, self.bounds.check, values, "it").field

    def test_older_versions_are_refused(self) -> None:
        self.assertEqual(self.refused({"tls_versions": ("TLSv1.3", "TLSv1.1")}), "it.tls_versions")
        self.bounds.check({"tls_versions": ("TLSv1.3", "TLSv1.2")}, "it")

    def test_prohibited_ciphers_are_refused(self) -> None:
        self.assertEqual(self.refused({"tls_ciphers": "HIGH:RC4-SHA"}), "it.tls_ciphers")
        self.bounds.check({"tls_ciphers": "HIGH:!RC4-SHA"}, "it")

    def test_pings_are_refused(self) -> None:
        self.assertEqual(self.refused({"type": "PING"}), "it.type")
        self.bounds.check({"type": "TCP"}, "it")

    def test_what_says_nothing_passes(self) -> None:
        self.bounds.check({"tls_versions": None, "tls_ciphers": None, "name": "PING", "tags": ("PING",)}, "it")

    def test_the_field_is_named_in_trees(self) -> None:
        pool = {"healthmonitor": {"type": "PING"}}
        self.assertEqual(
            self.refused({"listeners": [{"default_pool": pool}]}), "it.listeners[0].default_pool.healthmonitor.type"
        )
