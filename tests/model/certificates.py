"""Certificates for tests, made anew."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve, frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from OpenSSL import crypto


@frozen(kw_only=True)
class Issued:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(Encoding.DER)

    def key_pem(self, passphrase: bytes | None = None) -> bytes:
        hiding = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hiding)

    def signed(self, issuer: Issued, digest: str) -> Issued:
        """The same, signed with a digest that may be one that nobody should use any more."""
        made = crypto.X509.from_cryptography(self.certificate)
        made.sign(crypto.PKey.from_cryptography_key(issuer.key), digest)
        return evolve(self, certificate=made.to_cryptography())

    def revoke(self, *serials: int) -> bytes:
        """A list of its revocations, as PEM."""
        now = datetime.now(UTC)
        made = x509.CertificateRevocationListBuilder(self.certificate.subject, now, now + timedelta(days=1))
        for serial in serials:
            made = made.add_revoked_certificate(x509.RevokedCertificateBuilder(serial, now).build())
        return made.sign(self.key, SHA256()).public_bytes(Encoding.PEM)


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    names: tuple[str, ...] = (),
    authority: bool = False,
    key: Any = None,
) -> Issued:
    """
    A certificate, valid for a day.

    @param issuer: C{None}: itself.
    @param names: the host names that it is for.
    @param key: C{None}: a new one of P-256.
    """
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = x509.CertificateBuilder(
        issuer.certificate.subject if issuer else subject,
        subject,
        key.public_key(),
        x509.random_serial_number(),
        now - timedelta(hours=1),
        now + timedelta(days=1),
    ).add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
    if names:
        made = made.add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
    return Issued(certificate=made.sign(issuer.key if issuer else key, SHA256()), key=key)
