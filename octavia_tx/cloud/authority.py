"""
The system's own certificate authority, kept in a directory of the controller's host.

Two files, both secret: C{authority.pem} (the authority's certificate and key) and C{heartbeat.key} (the master key of
which each amphora's heartbeat key is derived). Each appears complete or not at all and is never overwritten, so that
several processes may start on a new directory at the same moment: one creates, the others read what it made.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from attrs import field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from zope.interface import implementer

from octavia_tx.cloud.secret_files import read_or_create
from octavia_tx.errors import SettingsError
from octavia_tx.interfaces import ICertificateAuthority
from octavia_tx.wire.tls import ROLE_URI, Credential, Role

AUTHORITY_FILE = "authority.pem"
HEARTBEAT_KEY_FILE = "heartbeat.key"
HEARTBEAT_KEY_SIZE = 32

AUTHORITY_LIFETIME = timedelta(days=3652)
CREDENTIAL_LIFETIME = timedelta(days=60)
# A machine that has just booted may have a clock that isn't set yet.
CLOCK_SKEW = timedelta(hours=1)
# The common name's upper bound in X.520. Peers check the alternative names, which have none.
_COMMON_NAME_LENGTH = 64


@implementer(ICertificateAuthority)
@frozen(kw_only=True)
class Authority:
    """
    Issues the credentials of controllers and amphorae.

    @ivar authority: its certificate, PEM.
    @ivar heartbeat_key: the master key of heartbeats, 32 bytes. Secret.
    @ivar lifetime: of credentials.
    """

    authority: bytes
    heartbeat_key: bytes = field(repr=False)
    lifetime: timedelta
    _certificate: x509.Certificate = field(repr=False)
    _key: ec.EllipticCurvePrivateKey = field(repr=False)
    _seconds: Callable[[], float] = field(repr=False)

    @classmethod
    def load_or_create(
        cls, directory: Path, *, seconds: Callable[[], float] = time.time, lifetime: timedelta = CREDENTIAL_LIFETIME
    ) -> Authority:
        """
        The authority of a directory, made now where there's none yet.

        @param seconds: the time, in seconds since the epoch.
        @raise SettingsError: the directory can't be used, or what is in it is damaged or has expired.
        """
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            stored = read_or_create(directory / AUTHORITY_FILE, lambda: _new_authority(_now(seconds)))
            heartbeat_key = read_or_create(
                directory / HEARTBEAT_KEY_FILE, lambda: secrets.token_bytes(HEARTBEAT_KEY_SIZE)
            )
        except OSError as error:
            raise SettingsError((f"The authority's directory {directory} can't be used: {error}.",)) from error
        if len(heartbeat_key) != HEARTBEAT_KEY_SIZE:
            raise _damaged(directory / HEARTBEAT_KEY_FILE, f"it has {len(heartbeat_key)} bytes, not 32")
        certificate, key = _parsed(directory / AUTHORITY_FILE, stored)
        if certificate.not_valid_after_utc <= _now(seconds):
            raise _damaged(directory / AUTHORITY_FILE, f"it expired at {certificate.not_valid_after_utc}")
        return cls(
            authority=certificate.public_bytes(Encoding.PEM),
            heartbeat_key=heartbeat_key,
            lifetime=lifetime,
            certificate=certificate,
            key=key,
            seconds=seconds,
        )

    def validity(self) -> timedelta:
        """See L{ICertificateAuthority.validity}."""
        return min(self.lifetime, self._certificate.not_valid_after_utc - _now(self._seconds))

    def issue(self, role: Role, identifier: str) -> Credential:
        """See L{ICertificateAuthority.issue}."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = _now(self._seconds)
        names: list[x509.GeneralName] = [x509.DNSName(identifier), x509.UniformResourceIdentifier(ROLE_URI + role)]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_name(identifier))
            .issuer_name(self._certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - CLOCK_SKEW)
            .not_valid_after(now + self.validity())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, SHA256())
        )
        return Credential(pem=_pem(certificate, key), authority=self.authority)


def _now(seconds: Callable[[], float]) -> datetime:
    return datetime.fromtimestamp(seconds(), UTC)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:_COMMON_NAME_LENGTH])])


def _usage(*, digital_signature: bool = False, signs_certificates: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> bytes:
    return certificate.public_bytes(Encoding.PEM) + key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _new_authority(now: datetime) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    # Part of the name, so that a certificate of another installation's authority is told apart at a glance.
    name = _name(f"Octavia-TX authority {secrets.token_hex(4)}")
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + AUTHORITY_LIFETIME)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    return _pem(certificate, key)


def _parsed(path: Path, stored: bytes) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificate(stored)
        key = load_pem_private_key(stored, None)
    except (ValueError, TypeError) as error:
        raise _damaged(path, "it doesn't hold a certificate and a private key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise _damaged(path, "its private key isn't of an elliptic curve")
    if key.public_key() != certificate.public_key():
        raise _damaged(path, "its private key isn't the certificate's")
    return certificate, key


def _damaged(path: Path, why: str) -> SettingsError:
    return SettingsError(
        (
            f"{path} can't be used: {why}. Restore it from a backup; or remove it, and a new one is made, which the "
            "amphorae that exist don't trust.",
        )
    )
