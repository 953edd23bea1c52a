"""What the agent takes for its own certificate."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificateIssuerPrivateKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from OpenSSL import SSL
from twisted.trial.unittest import SynchronousTestCase

from amphora.credential import CLOCKS, replacement
from amphora.settings import BadSettings
from octavia_tx.cloud.authority import AUTHORITY_FILE, Authority
from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role

AMPHORA = "11111111-1111-4111-8111-111111111111"
OTHER = "22222222-2222-4222-8222-222222222222"


def halves(credential: Credential) -> tuple[bytes, bytes]:
    """Certificate and key."""
    mark = b"-----BEGIN PRIVATE KEY-----"
    certificate, _, key = credential.pem.partition(mark)
    return certificate, mark + key


def openstacks(
    directory: Path,
    subject: str,
    *names: str,
    key: CertificateIssuerPrivateKeyTypes | None = None,
    begins: datetime | None = None,
) -> bytes:
    """A certificate as OpenStack's controllers issue it, by the authority of a directory."""
    stored = (directory / AUTHORITY_FILE).read_bytes()
    by, key = x509.load_pem_x509_certificate(stored), key or ec.generate_private_key(ec.SECP256R1())
    signer = load_pem_private_key(stored, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
        .issuer_name(by.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins or datetime.now(UTC) - timedelta(hours=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(map(x509.DNSName, names)), critical=False)
    certificate = builder.sign(signer, SHA256()).public_bytes(Encoding.PEM)
    return certificate + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def speaks(server: MutualTLS, client: MutualTLS) -> bool:
    """Whether a connection between these comes about, and carries data."""
    near, far = client.clientConnectionForTLS(None), server.serverConnectionForTLS(None)
    near.set_connect_state()
    far.set_accept_state()
    for _ in range(4):
        for one, other in ((near, far), (far, near)):
            with contextlib.suppress(SSL.WantReadError):
                one.do_handshake()
            with contextlib.suppress(SSL.WantReadError):
                other.bio_write(one.bio_read(1 << 16))
    near.send(b"x")
    far.bio_write(near.bio_read(1 << 16))
    return bool(far.recv(1) == b"x")


class Replacements(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.authority = Authority.load_or_create(self.directory)
        self.present = self.authority.issue(Role.AMPHORA, AMPHORA)

    def replaced(self, pem: bytes, present: Credential | None = None, **later: float) -> Credential:
        now = datetime.now(UTC) + timedelta(**later)
        return replacement(pem, present or self.present, AMPHORA, now)

    def refused(self, why: str, pem: bytes, present: Credential | None = None, **later: float) -> None:
        with self.assertRaises(BadSettings) as caught:
            self.replaced(pem, present, **later)
        self.assertIn(why, str(caught.exception))

    def test_a_further_one_of_the_same_amphora_is_taken_in_either_order(self) -> None:
        new = self.authority.issue(Role.AMPHORA, AMPHORA)
        self.assertEqual(self.replaced(new.pem), new)
        certificate, key = halves(new)
        self.assertEqual(self.replaced(key + certificate).pem, key + certificate)

    def test_what_is_no_certificate_with_its_key_is_refused(self) -> None:
        (certificate, key), (_, other) = halves(self.present), halves(self.authority.issue(Role.AMPHORA, AMPHORA))
        locked = load_pem_private_key(key, None).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        )
        for pem in (b"", b"nonsense", b"\xff\x00", certificate, key, certificate + locked):
            self.refused("must be a certificate and its private key", pem)
        self.refused("the private key is another certificate's", certificate + other)

    def test_another_authoritys_is_refused(self) -> None:
        other = Authority.load_or_create(Path(self.mktemp()))
        self.refused("issued by the authority", other.issue(Role.AMPHORA, AMPHORA).pem)

    def test_one_that_has_ended_is_refused(self) -> None:
        self.refused("ended", self.authority.issue(Role.AMPHORA, AMPHORA).pem, days=61)

    def test_one_that_has_not_begun_is_refused_but_for_what_clocks_may_differ(self) -> None:
        present = Credential(pem=openstacks(self.directory, AMPHORA), authority=self.present.authority)
        soon, late = (datetime.now(UTC) + CLOCKS + timedelta(minutes=each) for each in (-1, 1))
        pem = openstacks(self.directory, AMPHORA, begins=soon)
        self.assertEqual(self.replaced(pem, present).pem, pem)
        self.refused("begins only at", openstacks(self.directory, AMPHORA, begins=late), present)

    def test_one_by_which_nobody_could_speak_is_refused(self) -> None:
        present = Credential(pem=openstacks(self.directory, AMPHORA), authority=self.present.authority)
        bad: tuple[CertificateIssuerPrivateKeyTypes, ...] = (
            rsa.generate_private_key(65537, 1024),
            ec.generate_private_key(ec.SECP256K1()),
            dsa.generate_private_key(1024),
            ed448.Ed448PrivateKey.generate(),
        )
        for key in bad:
            self.refused("the key must be RSA", openstacks(self.directory, AMPHORA, key=key), present)
        good: tuple[CertificateIssuerPrivateKeyTypes, ...] = (
            rsa.generate_private_key(65537, 2048),
            ec.generate_private_key(ec.SECP384R1()),
            ec.generate_private_key(ec.SECP521R1()),
            ed25519.Ed25519PrivateKey.generate(),
        )
        for key in good:
            new = self.replaced(openstacks(self.directory, AMPHORA, key=key), present)
            self.assertTrue(speaks(MutualTLS(new, Peer(role=None)), MutualTLS(present, Peer(role=None))))

    def test_all_certificates_in_it_must_be_ones(self) -> None:
        junk = b"-----BEGIN CERTIFICATE-----\nanVuaw==\n-----END CERTIFICATE-----\n"
        self.refused("must be a certificate", self.authority.issue(Role.AMPHORA, AMPHORA).pem + junk)

    def test_another_amphoras_or_a_controllers_is_refused(self) -> None:
        self.refused(f"isn't amphora {AMPHORA}'s", self.authority.issue(Role.AMPHORA, OTHER).pem)
        self.refused("isn't an amphora's", self.authority.issue(Role.CONTROLLER, AMPHORA).pem)

    def test_openstacks_names_the_id_where_the_one_before_had_no_role_either(self) -> None:
        pem = openstacks(self.directory, AMPHORA)
        self.refused("isn't an amphora's", pem)
        present = Credential(pem=pem, authority=self.present.authority)
        for good in (pem, openstacks(self.directory, "amphora", AMPHORA), self.present.pem):
            self.assertEqual(self.replaced(good, present).pem, good)
        self.refused("isn't amphora", openstacks(self.directory, OTHER, OTHER), present)
        self.refused("isn't an amphora's", self.authority.issue(Role.CONTROLLER, AMPHORA).pem, present)

    def test_an_authority_of_the_amphorae_alone_may_issue_the_next_one_too(self) -> None:
        other = Authority.load_or_create(Path(self.mktemp()))
        present = Credential(pem=other.issue(Role.AMPHORA, AMPHORA).pem, authority=self.authority.authority)
        new = other.issue(Role.AMPHORA, AMPHORA).pem
        self.assertEqual(self.replaced(new, present).pem, new)
        third = Authority.load_or_create(Path(self.mktemp()))
        self.refused("issued by the authority", third.issue(Role.AMPHORA, AMPHORA).pem, present)
        self.assertEqual(self.replaced(self.present.pem, present).pem, self.present.pem)

    def test_any_of_several_authorities_may_have_issued_it(self) -> None:
        other = Authority.load_or_create(Path(self.mktemp()))
        both = Credential(pem=self.present.pem, authority=self.present.authority + other.authority)
        self.assertEqual(self.replaced(other.issue(Role.AMPHORA, AMPHORA).pem, both).authority, both.authority)
