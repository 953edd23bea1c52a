"""Certificates as tenants give them, PEM, DER or PKCS12: read, checked, and put in the order that servers want."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from hashlib import sha256
from typing import Final

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import ExtensionOID, NameOID

from octavia_tx.errors import InvalidInput

_PEM: Final = b"-----BEGIN "
_UNREADABLE: Final = (ValueError, TypeError, UnsupportedAlgorithm)
# OpenSSL's security level 2, which is the default of distributions: haproxy doesn't start with less.
_LEAST_RSA: Final = 2048  # bits
_LEAST_CURVE: Final = 224  # bits
_LEAST_DIGEST: Final = 224  # bits
# Those that servers and clients speak unasked.
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_KEYS: Final = f"a key of RSA with at least {_LEAST_RSA} bits, of the curve P-256, P-384 or P-521, or Ed25519 or Ed448"


@frozen(kw_only=True)
class Bundle:
    """
    A certificate with all that a server needs to show it.

    @ivar certificate: its own, as PEM; C{chain}: its issuer, that one's issuer and so on, as far as they were given.
    @ivar key: its private key, as unencrypted PEM. It is in no C{repr}.
    """

    certificate: str
    chain: tuple[str, ...] = ()
    key: str = field(repr=False)

    @property
    def pem(self) -> str:
        """All of it in one file, as haproxy reads it."""
        return "".join((self.certificate, *self.chain, self.key))

    @property
    def digest(self) -> str:
        """The same for the same content alone."""
        return sha256(self.pem.encode()).hexdigest()

    @property
    def expires(self) -> datetime:
        """From when on clients refuse it."""
        return self._read().not_valid_after_utc

    @property
    def names(self) -> tuple[str, ...]:
        """The host names that it is for; of one without any, its common name (RFC 6125, 6.4.4)."""
        read = self._read()
        try:
            given = read.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME).value
        except x509.ExtensionNotFound:
            return tuple(str(each.value) for each in read.subject.get_attributes_for_oid(NameOID.COMMON_NAME))
        assert isinstance(given, x509.SubjectAlternativeName)
        return tuple(given.get_values_for_type(x509.DNSName))

    def _read(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate.encode())


@frozen(kw_only=True)
class Secrets:
    """
    What a load balancer's references to certificates stand for, each by the reference.

    @ivar bundles: of listeners, for their clients, and of pools, for their members.
    @ivar authorities: PEM; whom clients and members are trusted by.
    @ivar revocations: PEM; which of those are trusted no more.
    """

    bundles: Mapping[str, Bundle] = field(factory=dict)
    authorities: Mapping[str, str] = field(factory=dict, repr=False)
    revocations: Mapping[str, str] = field(factory=dict, repr=False)


def from_parts(
    certificate: bytes, key: bytes, *, passphrase: bytes | None = None, chain: bytes = b"", where: str = "certificate"
) -> Bundle:
    """
    Of a certificate, its private key and the chain, each PEM or DER.

    @param certificate: may have the chain behind it.
    @param where: the field that all this comes from, for the error.
    @raise InvalidInput: one of them can't be read, the key is another certificate's, or haproxy couldn't serve it.
    """
    own, *more = _certificates(certificate, where)
    if chain.strip():
        more += _certificates(chain, f"{where}'s intermediates")
    return _bundle(own, more, _key(key, passphrase, where), where)


def from_pkcs12(data: bytes, *, passphrase: bytes | None = None, where: str = "certificate") -> Bundle:
    """
    Of a PKCS12 file.

    @raise InvalidInput: it can't be read, lacks the certificate or its key, or haproxy couldn't serve it.
    """
    try:
        key, own, more = pkcs12.load_key_and_certificates(data, passphrase)
    except _UNREADABLE as error:
        raise InvalidInput(where, "what can't be read", "a PKCS12 file, and its passphrase if it has one") from error
    if key is None or own is None:
        raise InvalidInput(where, "a PKCS12 file that lacks one of them", "a certificate with its private key")
    return _bundle(own, list(more), key, where)


def authorities(data: bytes, where: str) -> str:
    """
    The certificates of authorities, as PEM.

    @raise InvalidInput: they can't be read.
    """
    return "".join(_pem(each) for each in _certificates(data, where))


def revocations(data: bytes, where: str) -> str:
    """
    Certificate revocation lists (RFC 5280), one or several after another, as PEM.

    @raise InvalidInput: they can't be read.
    """
    lists = _pieces(data, b"X509 CRL")
    try:
        read = [x509.load_pem_x509_crl(each) for each in lists] or [x509.load_der_x509_crl(data)]
    except _UNREADABLE as error:
        raise InvalidInput(where, "what can't be read", "a certificate revocation list, PEM or DER") from error
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in read)


def _certificates(data: bytes, where: str) -> list[x509.Certificate]:
    try:
        if _PEM in data:
            return x509.load_pem_x509_certificates(data)
        return [x509.load_der_x509_certificate(data)]
    except _UNREADABLE as error:
        raise InvalidInput(where, "what can't be read", "X.509 certificates, PEM or DER") from error


def _key(data: bytes, passphrase: bytes | None, where: str) -> PrivateKeyTypes:
    load = load_pem_private_key if _PEM in data else load_der_private_key
    try:
        with suppress(TypeError):  # There's a passphrase, and the key needs none.
            return load(data, passphrase or None)
        return load(data, None)
    except _UNREADABLE as error:
        accepted = "a private key, PEM or DER, and its passphrase if it has one"
        raise InvalidInput(f"{where}'s private key", "what can't be read", accepted) from error


def _bundle(own: x509.Certificate, more: list[x509.Certificate], key: PrivateKeyTypes, where: str) -> Bundle:
    if not _is_served(key):
        raise InvalidInput(f"{where}'s private key", _described(key), _KEYS)
    if _public(key.public_key()) != _public(_key_of(own, where)):
        raise InvalidInput(f"{where}'s private key", "another certificate's", "the key of this certificate")
    if isinstance(key, rsa.RSAPrivateKey) and _public(key.public_key()) not in own.tbs_certificate_bytes:
        # The key, as it is written below, would lack that, and haproxy refuse the pair.
        raise InvalidInput(where, "with a key for RSA-PSS alone", _KEYS)
    chain = _in_order(own, more)
    _check_signature(own, where)
    for each in chain:
        _check_signature(each, f"{where}'s intermediates")
        _check_issuer(each, f"{where}'s intermediates")
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Bundle(certificate=_pem(own), chain=tuple(map(_pem, chain)), key=text)


def _is_served(key: PrivateKeyTypes) -> bool:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.key_size >= _LEAST_RSA
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return isinstance(key.curve, _CURVES)
    return isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)


def _described(key: object) -> str:
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey):
        return f"of the curve {key.curve.name}"
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey):
        return f"of RSA with {key.key_size} bits"
    return "of another kind"


def _check_issuer(certificate: x509.Certificate, where: str) -> None:
    """Of an issuer's key only the strength counts: nobody shakes hands with it."""
    key = _key_of(certificate, where)
    least = _LEAST_CURVE if isinstance(key, ec.EllipticCurvePublicKey) else _LEAST_RSA
    if getattr(key, "key_size", least) < least:
        accepted = f"keys of RSA with at least {_LEAST_RSA} bits, or of curves with at least {_LEAST_CURVE}"
        raise InvalidInput(where, f"with a key {_described(key)}", accepted)


def _check_signature(certificate: x509.Certificate, where: str) -> None:
    if certificate.issuer == certificate.subject:  # Nobody checks what it says of itself.
        return
    accepted = "certificates signed with SHA-224 or better, or Ed25519 or Ed448"
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm as error:
        raise InvalidInput(where, "signed with what isn't known", accepted) from error
    if digest is not None and digest.digest_size * 8 < _LEAST_DIGEST:
        raise InvalidInput(where, f"signed with {digest.name.upper()}", accepted)


def _key_of(certificate: x509.Certificate, where: str) -> object:
    try:
        return certificate.public_key()
    except _UNREADABLE as error:
        raise InvalidInput(where, "with a key that can't be read", _KEYS) from error


def _public(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined,no-any-return]


def _in_order(own: x509.Certificate, more: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """
    The issuers, each after the one that it issued (RFC 8446, 4.4.2); what belongs nowhere comes last. A root is left
    out: clients have it, or don't trust it.
    """
    left = [each for each in dict.fromkeys(more) if each != own and each.issuer != each.subject]
    found: list[x509.Certificate] = []
    last = own
    while (next_one := next((each for each in left if each.subject == last.issuer), None)) is not None:
        left.remove(next_one)
        found.append(next_one)
        last = next_one
    return found + left


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _pieces(data: bytes, kind: bytes) -> list[bytes]:
    begin, end = b"-----BEGIN " + kind + b"-----", b"-----END " + kind + b"-----"
    return [begin + each.partition(end)[0] + end + b"\n" for each in data.split(begin)[1:]]
