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
    @raise InvalidInput: one of them can't be read, or the key is another certificate's.
    """
    own, *more = _certificates(certificate, where)
    if chain.strip():
        more += _certificates(chain, f"{where}'s intermediates")
    return _bundle(own, more, _key(key, passphrase, where), where)


def from_pkcs12(data: bytes, *, passphrase: bytes | None = None, where: str = "certificate") -> Bundle:
    """
    Of a PKCS12 file.

    @raise InvalidInput: it can't be read, or lacks the certificate or its key.
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
    if _public(key.public_key()) != _public(own.public_key()):
        raise InvalidInput(f"{where}'s private key", "another certificate's", "the key of this certificate")
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Bundle(certificate=_pem(own), chain=tuple(map(_pem, _in_order(own, more))), key=text)


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
