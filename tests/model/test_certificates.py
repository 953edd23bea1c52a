"""What becomes of tenants' certificates, in whatever form they come."""

from __future__ import annotations

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.errors import InvalidInput
from octavia_tx.model.certificates import Bundle, authorities, from_parts, from_pkcs12, revocations
from tests.model.certificates import issue

ROOT = issue("root", authority=True)
FIRST = issue("first", ROOT, authority=True)
SECOND = issue("second", FIRST, authority=True)
OWN = issue("www.example.org", SECOND, names=("www.example.org", "*.example.net"))
PLAIN = issue("plain.example.org")
WANTED = Bundle(
    certificate=OWN.pem.decode(), chain=(SECOND.pem.decode(), FIRST.pem.decode()), key=OWN.key_pem().decode()
)


class Reading(SynchronousTestCase):
    """Of any form comes the same."""

    def test_parts_in_any_order_and_form(self) -> None:
        der = OWN.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        for chain in (FIRST.pem + SECOND.pem, SECOND.pem + FIRST.pem + SECOND.pem, ROOT.pem + FIRST.pem + SECOND.pem):
            self.assertEqual(from_parts(OWN.pem, OWN.key_pem(), chain=chain), WANTED)
            self.assertEqual(from_parts(OWN.pem + chain, OWN.key_pem()), WANTED)
            self.assertEqual(from_parts(OWN.der, der, chain=chain), WANTED)

    def test_a_key_with_a_passphrase(self) -> None:
        key = OWN.key_pem(b"secret")
        self.assertEqual(from_parts(OWN.pem, key, passphrase=b"secret", chain=FIRST.pem + SECOND.pem), WANTED)
        for wrong in (None, b"wrong"):
            self.assertRaises(InvalidInput, from_parts, OWN.pem, key, passphrase=wrong)

    def test_a_passphrase_that_the_key_does_not_need(self) -> None:
        der = OWN.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        for key in (OWN.key_pem(), der):
            self.assertEqual(from_parts(OWN.pem, key, passphrase=b"secret", chain=FIRST.pem + SECOND.pem), WANTED)

    def test_pkcs12_with_and_without_a_passphrase(self) -> None:
        for passphrase in (None, b"secret"):
            hiding = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
            more = [FIRST.certificate, SECOND.certificate]
            data = serialize_key_and_certificates(b"x", OWN.key, OWN.certificate, more, hiding)
            self.assertEqual(from_pkcs12(data, passphrase=passphrase), WANTED)
        self.assertRaises(InvalidInput, from_pkcs12, data, passphrase=b"wrong")

    def test_what_does_not_belong_together_is_refused(self) -> None:
        error = self.assertRaises(InvalidInput, from_parts, OWN.pem, PLAIN.key_pem(), where="listener.x")
        self.assertIn("listener.x's private key", str(error))
        lacking = serialize_key_and_certificates(None, None, OWN.certificate, None, NoEncryption())
        self.assertRaises(InvalidInput, from_pkcs12, lacking)

    def test_what_can_not_be_read_is_refused_and_not_repeated(self) -> None:
        for certificate, key in ((b"", OWN.key_pem()), (b"-----BEGIN x", OWN.key_pem()), (OWN.pem, b"secret words")):
            error = self.assertRaises(InvalidInput, from_parts, certificate, key)
            self.assertNotIn("secret words", str(error))
        self.assertRaises(InvalidInput, from_pkcs12, b"no PKCS12")


class Knowing(SynchronousTestCase):
    """What is known of one."""

    def test_its_names(self) -> None:
        self.assertEqual(WANTED.names, ("www.example.org", "*.example.net"))
        self.assertEqual(from_parts(PLAIN.pem, PLAIN.key_pem()).names, ("plain.example.org",))

    def test_its_end(self) -> None:
        self.assertEqual(WANTED.expires, OWN.certificate.not_valid_after_utc)

    def test_its_digest_is_that_of_its_content(self) -> None:
        again = from_parts(OWN.pem, OWN.key_pem(), chain=SECOND.pem + FIRST.pem)
        self.assertEqual(again.digest, WANTED.digest)
        self.assertNotEqual(from_parts(OWN.pem, OWN.key_pem()).digest, WANTED.digest)

    def test_its_key_is_not_shown(self) -> None:
        self.assertNotIn("PRIVATE", repr(WANTED))
        self.assertTrue(WANTED.pem.startswith(WANTED.certificate))
        self.assertTrue(WANTED.pem.endswith(WANTED.key))


class Authorities(SynchronousTestCase):
    """Of those that clients and members are trusted by."""

    def test_several_are_one_text(self) -> None:
        self.assertEqual(authorities(ROOT.pem + FIRST.pem, "x"), (ROOT.pem + FIRST.pem).decode())
        self.assertEqual(authorities(ROOT.der, "x"), ROOT.pem.decode())
        self.assertRaises(InvalidInput, authorities, b"nothing", "x")

    def test_revocations_are_read(self) -> None:
        lists = ROOT.revoke(1, 2) + FIRST.revoke(3)
        self.assertEqual(revocations(lists, "x"), lists.decode())
        for wrong in (b"nothing", ROOT.pem, b"-----BEGIN X509 CRL-----\nx\n-----END X509 CRL-----\n"):
            self.assertRaises(InvalidInput, revocations, wrong, "x")
