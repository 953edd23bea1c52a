"""
Who may speak with whom: both sides of each connection check the other's chain, role and id.

A peer's certificate names it twice: the subject alternative name C{DNS:<id>} is its id (an amphora's UUID; what
OpenStack's controllers check too), and C{URI:urn:octavia-tx:role:<role>} its role. The check is made inside the TLS
handshake, so that a stranger never reaches our HTTP.
"""

from __future__ import annotations

from enum import StrEnum

from attrs import field, frozen
from cryptography import x509
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    PrivateCertificate,
    TLSVersion,
    trustRootFromCertificates,
)
from zope.interface import implementer

ROLE_URI = "urn:octavia-tx:role:"


class Role(StrEnum):
    """What a peer is. Controllers command; amphorae ask only for what is theirs."""

    CONTROLLER = "controller"
    AMPHORA = "amphora"


@frozen(kw_only=True)
class Credential:
    """
    One peer's own certificate and key.

    @ivar pem: the certificate, then the private key, PEM. Certificates of those between it and an authority may follow.
        Secret.
    @ivar authority: the certificate of the authority that both sides trust, PEM; or those of several.
    """

    pem: bytes = field(repr=False)
    authority: bytes = field(repr=False)


@frozen(kw_only=True)
class Peer:
    """
    Who the other side must be. C{identifier} is C{None} where any id of that role may come, C{role} where the
    authority's word is enough: certificates of OpenStack's controllers name none.
    """

    role: Role | None
    identifier: str | None = None

    def accepts(self, certificate: x509.Certificate) -> bool:
        """Whether a certificate, whose chain was verified already, names this peer."""
        role, identifiers = named_by(certificate)
        return self.role in (None, role) and (self.identifier is None or self.identifier in identifiers)


def named_by(certificate: x509.Certificate) -> tuple[Role | None, frozenset[str]]:
    """The role and ids that a certificate claims. No role, or more than one: C{None}."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None, frozenset()
    uris = [u.removeprefix(ROLE_URI) for u in names.get_values_for_type(x509.UniformResourceIdentifier)]
    roles = [Role(u) for u in uris if u in set(Role)]
    return (roles[0] if len(roles) == 1 else None), frozenset(names.get_values_for_type(x509.DNSName))


def _context(credential: Credential, peer: Peer, least: TLSVersion) -> SSL.Context:
    own = PrivateCertificate.loadPEM(credential.pem)
    authorities = x509.load_pem_x509_certificates(credential.authority)
    options = CertificateOptions(
        privateKey=own.privateKey.original,
        certificate=own.original,
        extraCertChain=[crypto.X509.from_cryptography(c) for c in x509.load_pem_x509_certificates(credential.pem)[1:]],
        trustRoot=trustRootFromCertificates([Certificate(crypto.X509.from_cryptography(c)) for c in authorities]),
        raiseMinimumTo=least,
    )
    context = options.getContext()

    def verify(connection: SSL.Connection, certificate: crypto.X509, _error: int, depth: int, chain_holds: int) -> bool:
        return bool(chain_holds) and (depth > 0 or peer.accepts(certificate.to_cryptography()))

    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, verify)
    return context


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
class MutualTLS:
    """
    TLS settings for one side of our connections: its own credential, and who the other side must be.

    A server calls L{renew} when its certificate was replaced; connections that stand are left alone.
    """

    def __init__(self, credential: Credential, peer: Peer, least: TLSVersion = TLSVersion.TLSv1_2) -> None:
        self._peer = peer
        self._least = least
        self._context = _context(credential, peer, least)

    def renew(self, credential: Credential) -> None:
        """Use this credential for all connections from now on."""
        self._context = _context(credential, self._peer, self._least)

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """See L{IOpenSSLClientConnectionCreator}."""
        return SSL.Connection(self._context, None)

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        """See L{IOpenSSLServerConnectionCreator}."""
        return SSL.Connection(self._context, None)


def identity_of(transport: object) -> str:
    """
    The id of the peer at the other end of an established connection.

    @param transport: a TLS transport whose handshake was made with L{MutualTLS}.
    """
    certificate: crypto.X509 = transport.getPeerCertificate()  # type: ignore[attr-defined]
    _role, identifiers = named_by(certificate.to_cryptography())
    (identifier,) = identifiers
    return identifier
