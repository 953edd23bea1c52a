"""What TLS does where nothing is said."""

from __future__ import annotations

from typing import Any

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.errors import InvalidInput
from octavia_tx.model import tls
from octavia_tx.model.resources import Listener, Pool
from tests.model.test_validation import listener, pool

NOTHING = {"tls_ciphers": None, "tls_versions": None, "alpn_protocols": None}


class TlsTests(SynchronousTestCase):
    """Listeners and pools."""

    secured: tuple[Listener | Pool, ...] = (
        listener("TERMINATED_HTTPS", default_tls_container_ref="x"),
        listener("PROMETHEUS", sni_container_refs=("x",)),
        pool(tls_enabled=True),
    )
    plain: tuple[Listener | Pool, ...] = (listener(), listener("PROMETHEUS"), pool())

    def shown(self, value: Any) -> dict[str, Any]:
        settled = tls.settled(value, "w")
        return {name: getattr(settled, name) for name in NOTHING}

    def test_where_it_is_used_what_is_not_said_is_usual(self) -> None:
        for value in self.secured:
            self.assertEqual(self.shown(value), tls.DEFAULTS)
            chosen = {"tls_ciphers": "A", "tls_versions": ("TLSv1.3",), "alpn_protocols": ("h2",)}
            self.assertEqual(self.shown(evolve(value, **chosen)), chosen)

    def test_where_it_is_not_used_nothing_is_made_up(self) -> None:
        for value in self.plain:
            empty = evolve(value, tls_ciphers="", tls_versions=(), alpn_protocols=())
            for given in (value, empty):
                self.assertEqual(self.shown(given), NOTHING)

    def test_where_it_is_used_a_list_is_not_empty(self) -> None:
        for value in self.secured:
            for name in ("tls_versions", "alpn_protocols"):
                error = self.assertRaises(InvalidInput, self.shown, evolve(value, **{name: ()}))
                self.assertEqual(error.field, f"w.{name}")

    def test_an_empty_reference_is_none(self) -> None:
        names = ("default_tls_container_ref", "client_ca_tls_container_ref", "client_crl_container_ref")
        settled = tls.settled(listener(**dict.fromkeys(names, "")), "w")
        self.assertEqual([getattr(settled, name) for name in names], [None] * 3)
