"""What becomes of tenants' certificates, in whatever form they come."""

from __future__ import annotations

from attrs import evolve
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from twisted.trial.unittest import SynchronousTestCase

from octavia_tx.errors import InvalidInput
from octavia_tx.model.certificates import Bundle, authorities, from_parts, from_pkcs12, revocations
from tests.model.certificates import Issued, issue

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


class Serving(SynchronousTestCase):
    """What haproxy doesn't start with, or no client shakes hands with, is refused."""

    def refused(self, own: Issued, *chain: Issued) -> str:
        more = b"".join(each.pem for each in chain)
        return str(self.assertRaises(InvalidInput, from_parts, own.pem, own.key_pem(), chain=more, where="listener.x"))

    def test_keys(self) -> None:
        for key in (
            rsa.generate_private_key(65537, 2048),
            *(ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)),
            ed25519.Ed25519PrivateKey.generate(),
            ed448.Ed448PrivateKey.generate(),
        ):
            served = issue("served", ROOT, key=key)
            self.assertEqual(from_parts(served.pem, served.key_pem()).certificate, served.pem.decode())
        for key, said in (
            (rsa.generate_private_key(65537, 1024), "RSA with 1024 bits"),
            *(
                (ec.generate_private_key(curve()), curve.name)
                for curve in (ec.SECP192R1, ec.SECP256K1, ec.BrainpoolP256R1)
            ),
            (dsa.generate_private_key(2048), "another kind"),
            (x25519.X25519PrivateKey.generate(), "another kind"),
        ):
            told = self.refused(issue("refused", ROOT, key=key))
            self.assertIn("listener.x's private key", told)
            self.assertIn(said, told)
            self.assertIn("P-256, P-384 or P-521", told)

    def test_a_key_for_rsa_pss_alone(self) -> None:
        plain = issue("plain", ROOT, key=rsa.generate_private_key(65537, 2048))
        start = bytes.fromhex("2a864886f70d0101")
        der = plain.der.replace(start + b"\x01\x05\x00", start + b"\x0a\x30\x00")
        self.assertIn("RSA-PSS", self.refused(evolve(plain, certificate=x509.load_der_x509_certificate(der))))

    def test_signatures(self) -> None:
        for digest in ("sha224", "sha512"):
            own = issue("new", ROOT).signed(ROOT, digest)
            self.assertTrue(from_parts(own.pem, own.key_pem()))
        told = self.refused(issue("old", ROOT).signed(ROOT, "sha1"))
        self.assertIn("listener.x: 'signed with SHA1'. Accepted: certificates signed with SHA-224", told)
        told = self.refused(OWN, SECOND.signed(FIRST, "sha1"))
        self.assertIn("listener.x's intermediates: 'signed with SHA1'", told)

    def test_what_a_certificate_says_of_itself_does_not_count(self) -> None:
        alone, root = PLAIN.signed(PLAIN, "sha1"), ROOT.signed(ROOT, "sha1")
        self.assertTrue(from_parts(alone.pem, alone.key_pem()))
        self.assertEqual(from_parts(OWN.pem + root.pem + FIRST.pem + SECOND.pem, OWN.key_pem()), WANTED)

    def test_issuers_are_strong_enough(self) -> None:
        for key, strong in (
            (rsa.generate_private_key(65537, 1024), False),
            (ec.generate_private_key(ec.SECP192R1()), False),
            (ec.generate_private_key(ec.BrainpoolP256R1()), True),
        ):
            issuer = issue("issuer", ROOT, authority=True, key=key)
            own = issue("own", issuer)
            if strong:
                self.assertEqual(len(from_parts(own.pem, own.key_pem(), chain=issuer.pem).chain), 1)
            else:
                self.assertIn("listener.x's intermediates: 'with a key of", self.refused(own, issuer))


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
