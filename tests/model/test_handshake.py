"""What tenants say of TLS."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.model import handshake
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.handshake import References, references
from tests.amphora_driver.gallery import gallery, listener, pool, secret, terminated, tree


class Words(SynchronousTestCase):
    def test_versions_are_in_their_order(self) -> None:
        self.assertEqual(handshake.versions(("TLSv1.3", "TLSv1.1")), ("TLSv1.1", "TLSv1.3"))
        self.assertEqual(handshake.versions(None), handshake.VERSIONS)
        self.assertEqual(handshake.versions(()), handshake.VERSIONS)

    def test_a_gap_and_what_nobody_speaks_any_more_are_found(self) -> None:
        for given in (None, (), ("TLSv1",), ("TLSv1.3", "TLSv1.2"), ("TLSv1", "TLSv1.1", "TLSv1.2")):
            self.assertTrue(handshake.can_be_spoken(given), given)
        for given in (("TLSv1", "TLSv1.2"), ("TLSv1.1", "TLSv1.3"), ("SSLv3",), ("SSLv3", "TLSv1")):
            self.assertFalse(handshake.can_be_spoken(given), given)

    def test_ciphers_of_one_version_alone_leave_no_other(self) -> None:
        suite = "TLS_AES_128_GCM_SHA256"
        self.assertEqual(handshake.spoken(None, None), handshake.VERSIONS)
        self.assertEqual(handshake.spoken(None, f"{suite}:HIGH"), handshake.VERSIONS)
        self.assertEqual(handshake.spoken(None, suite), ("TLSv1.3",))
        self.assertEqual(handshake.spoken(("TLSv1.2",), suite), ())

    def test_suites_are_told_from_ciphers(self) -> None:
        self.assertEqual(handshake.ciphers("TLS_A:B:!C:TLS_D"), ("TLS_A:TLS_D", "B:!C"))
        self.assertEqual(handshake.ciphers(None), ("", ""))


class Referring(SynchronousTestCase):
    def test_all_that_is_served_is_needed(self) -> None:
        one, two, three = map(secret, ("one", "two", "three"))
        whole = References(bundles=(one, two, three), authorities=(secret("authority"),),
                           revocations=(secret("revocations"),))  # fmt: skip
        self.assertEqual(references(gallery()["terminated_https_whole"]), whole)
        members = References(bundles=(one, two), authorities=whole.authorities, revocations=whole.revocations)
        self.assertEqual(references(gallery()["tls_to_members"]), members)

    def test_what_is_not_served_is_not(self) -> None:
        ours = {"tls_container_ref": secret("two"), "ca_tls_container_ref": secret("authority")}
        for shown in (
            tree(terminated(admin_state_up=False)),
            tree(terminated(), admin_state_up=False),
            tree(listener(default_pool_id=None), pool(tls_enabled=True, **ours)),
            tree(listener(), pool(tls_enabled=True, admin_state_up=False, **ours)),
            tree(listener(), pool(**ours)),
            tree(listener(default_tls_container_ref=secret("one"))),
        ):
            self.assertEqual(references(shown), References())
        asked = terminated(client_ca_tls_container_ref="a", client_crl_container_ref="b")
        self.assertEqual(references(tree(asked)), References(bundles=(secret("one"),)))
        self.assertEqual(references(tree(evolve(asked, client_authentication="OPTIONAL"))).authorities, ("a",))

    def test_what_stands_for_nothing_is_missing(self) -> None:
        needed = References(bundles=("a", "b"), authorities=("c",), revocations=("d",))
        self.assertEqual(needed.missing(Secrets(authorities={"a": "", "c": ""})), ("a", "b", "d"))
