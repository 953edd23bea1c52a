"""The agent's own certificate, which a controller replaces long before it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import IReactorTime
from twisted.web.iweb import IRequest

from amphora import durable
from amphora.answers import answer, logged
from amphora.routing import Route
from amphora.settings import BadSettings
from octavia_tx.wire.rest import CREDENTIAL_PATH
from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role, named_by

CLOCKS: Final = timedelta(minutes=5)  # by which our clock may be behind that of who issued a certificate
_LEAST_RSA: Final = 2048  # bits
_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)  # those that TLS knows, of which anybody makes use


def replacement(pem: bytes, present: Credential, amphora_id: str, now: datetime) -> Credential:
    """
    What takes the place of the present credential.

    @param pem: certificate and key.
    @raise BadSettings: whoever reaches the agent now wouldn't any more.
    """
    try:
        certificate, *_chain = x509.load_pem_x509_certificates(pem)
        fits = load_pem_private_key(pem, None).public_key() == certificate.public_key()
    except (ValueError, TypeError) as e:
        raise _bad("must be a certificate and its private key, not encrypted, both PEM") from e
    if not fits:
        raise _bad("the private key is another certificate's")
    new = Credential(pem=pem, authority=present.authority)
    _be_usable(certificate, new, now)
    before = x509.load_pem_x509_certificate(present.pem)
    authorities = x509.load_pem_x509_certificates(present.authority)
    # OpenStack's controllers may be of another authority than their amphorae, which the agent knows by name alone.
    others = not _issued(before, authorities) and certificate.issuer == before.issuer
    if not (others or _issued(certificate, authorities)):
        raise _bad("the certificate wasn't issued by the authority in authority.pem")
    role, names = named_by(certificate)
    # OpenStack's certificates name no role, and perhaps the id in their subject alone.
    had, _ = named_by(before)
    if role is not Role.AMPHORA and (role is not None or had is not None):
        raise _bad("the certificate isn't an amphora's")
    if amphora_id not in (names if role is not None else names | _subjects(certificate)):
        raise _bad(f"the certificate isn't amphora {amphora_id}'s")
    return new


def _be_usable(certificate: x509.Certificate, new: Credential, now: datetime) -> None:
    """@raise BadSettings: no connection could be made with it."""
    if certificate.not_valid_after_utc <= now:
        raise _bad(f"the certificate ended at {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC")
    if certificate.not_valid_before_utc > now + CLOCKS:
        raise _bad(f"the certificate begins only at {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC")
    if not _is_spoken(certificate):
        raise _bad(f"the key must be RSA of at least {_LEAST_RSA} bits, Ed25519, or EC on P-256, P-384 or P-521")
    try:
        MutualTLS(new, Peer(role=Role.CONTROLLER))
    except (SSL.Error, crypto.Error, ValueError) as e:
        raise _bad(f"TLS can't be spoken with it: {e}") from e


def _is_spoken(certificate: x509.Certificate) -> bool:
    """Whether our peers speak TLS with a key of this kind."""
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _LEAST_RSA
    if isinstance(key, ec.EllipticCurvePublicKey):
        return isinstance(key.curve, _CURVES)
    return isinstance(key, ed25519.Ed25519PublicKey)


def _bad(what: str) -> BadSettings:
    return BadSettings((f"The agent's certificate: {what}.",))


def _issued(certificate: x509.Certificate, authorities: Iterable[x509.Certificate]) -> bool:
    for authority in authorities:
        with suppress(ValueError, TypeError, InvalidSignature):
            certificate.verify_directly_issued_by(authority)
            return True
    return False


def _subjects(certificate: x509.Certificate) -> frozenset[str]:
    named = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return frozenset(str(each.value) for each in named)


class OwnCertificate:
    """
    Takes new ones, and has them used for each new connection, to and from the agent. Those that stand are left alone.

    @param path: where the present one lies.
    @param use: called with each.
    """

    def __init__(
        self,
        clock: IReactorTime,
        path: Path,
        amphora_id: str,
        present: Credential,
        use: Callable[[Credential], None],
    ) -> None:
        self._clock = clock
        self._path = path
        self._amphora_id = amphora_id
        self._present = present
        self._use = use

    def routes(self) -> Iterable[Route]:
        """See L{Part<amphora.answers.Part>}."""
        return (("PUT", CREDENTIAL_PATH, self.put),)

    async def put(self, request: IRequest) -> bytes:
        """Be known by this certificate from now on, also after the next start."""
        await logged(request, self._replace(request.content.read()))
        return answer(request, 202, {"message": "OK"})

    async def _replace(self, pem: bytes) -> None:
        now = datetime.fromtimestamp(self._clock.seconds(), UTC)
        new = replacement(pem, self._present, self._amphora_id, now)
        durable.write(self._path, pem)
        self._present = new
        self._use(new)
