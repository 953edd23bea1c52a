"""Who may speak with whom, over real TLS: each side alone refuses a wrong peer, however careless the other is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from OpenSSL import SSL, crypto
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import TLSVersion
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from octavia_tx.wire.tls import ROLE_URI, Credential, MutualTLS, Peer, Role, identity_of

AMPHORA, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
HELLO, ANSWER = b"hello", b"answer"


class Issuer:
    """An authority that issues whatever it is told to, wrong things too."""

    def __init__(self, name: str = "authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(self._name, self._key.public_key(), timedelta(days=1))
        certificate = builder.add_extension(x509.BasicConstraints(True, None), True).sign(self._key, SHA256())
        self.pem = certificate.public_bytes(Encoding.PEM)

    def issue(self, role: str, identifier: str, valid: timedelta = timedelta(days=1)) -> Credential:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, identifier)])
        names = [x509.DNSName(identifier), x509.UniformResourceIdentifier(ROLE_URI + role)]
        builder = self._builder(name, key.public_key(), valid)
        certificate = builder.add_extension(x509.SubjectAlternativeName(names), False).sign(self._key, SHA256())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return Credential(pem=certificate.public_bytes(Encoding.PEM) + private, authority=self.pem)

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePublicKey, valid: timedelta) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(now + valid)
        )


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
class Careless:
    """A side that checks nothing, shows the credential that it is given, and speaks as old a version as it is told."""

    def __init__(self, credential: Credential | None, newest: int | None = None, ciphers: bytes | None = None) -> None:
        self._context = SSL.Context(SSL.TLS_METHOD)
        if credential is not None:
            self._context.use_privatekey(crypto.load_privatekey(crypto.FILETYPE_PEM, credential.pem))
            self._context.use_certificate(crypto.load_certificate(crypto.FILETYPE_PEM, credential.pem))
        if newest is not None:
            self._context.set_min_proto_version(newest)
            self._context.set_max_proto_version(newest)
        if ciphers is not None:
            self._context.set_cipher_list(ciphers)

    def clientConnectionForTLS(self, protocol: object) -> SSL.Connection:
        return SSL.Connection(self._context, None)

    def serverConnectionForTLS(self, protocol: object) -> SSL.Connection:
        return SSL.Connection(self._context, None)


class Talk(Protocol):
    """One side: says its word, hears the other's, and remembers how it ended."""

    def __init__(self, word: bytes, hangs_up: bool) -> None:
        self._word = word
        self._hangs_up = hangs_up
        self.heard = b""
        self.peer: str | None = None
        self.ended: Deferred[BaseException] = Deferred()

    def connectionMade(self) -> None:
        self.transport.write(self._word)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        if self.transport.getPeerCertificate() is not None:
            self.peer = identity_of(self.transport)
        if self._hangs_up:
            self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.ended.callback(reason.value)


class PeersCase(TestCase):
    """A test with an authority, and right credentials for both sides."""

    timeout = 10

    def setUp(self) -> None:
        self.issuer = Issuer()
        self.controller = self.issuer.issue("controller", "control.example.com")
        self.amphora = self.issuer.issue("amphora", AMPHORA)

    def right_client(self) -> MutualTLS:
        """A controller that wants to speak with one amphora."""
        return MutualTLS(self.controller, Peer(role=Role.AMPHORA, identifier=AMPHORA))

    def right_server(self) -> MutualTLS:
        """The amphora, which lets any controller command it."""
        return MutualTLS(self.amphora, Peer(role=Role.CONTROLLER))

    async def talk(self, client: MutualTLS | Careless, server: MutualTLS | Careless) -> tuple[Talk, Talk]:
        """Let them talk; both sides when it has ended."""
        one, other = Talk(HELLO, hangs_up=True), Talk(ANSWER, hangs_up=False)
        listening = reactor.listenTCP(
            0, TLSMemoryBIOFactory(server, False, Factory.forProtocol(lambda: other)), interface="127.0.0.1"
        )
        self.addCleanup(listening.stopListening)
        endpoint = wrapClientTLS(client, TCP4ClientEndpoint(reactor, "127.0.0.1", listening.getHost().port))
        await connectProtocol(endpoint, one)
        self.ends = await gatherResults([one.ended, other.ended])
        return one, other

    async def refused_by_client(self, server: Careless) -> None:
        """The client ends the handshake by itself, and says nothing."""
        client, other = await self.talk(self.right_client(), server)
        self.assertEqual((client.heard, other.heard), (b"", b""))
        self.assertIsInstance(self.ends[0], SSL.Error)

    async def refused_by_server(self, client: Careless) -> None:
        """The server ends the handshake by itself; nothing reaches its protocol."""
        other, server = await self.talk(client, self.right_server())
        self.assertEqual((other.heard, server.heard), (b"", b""))
        self.assertIsInstance(self.ends[1], SSL.Error)


class RightPeers(PeersCase):
    """Those who may talk do."""

    async def test_they_talk_and_know_who_the_other_is(self) -> None:
        client, server = await self.talk(self.right_client(), self.right_server())
        self.assertEqual((client.heard, server.heard), (ANSWER, HELLO))
        self.assertEqual((client.peer, server.peer), (AMPHORA, "control.example.com"))

    async def test_an_amphora_as_client_talks_to_a_controller(self) -> None:
        client = MutualTLS(self.amphora, Peer(role=Role.CONTROLLER))
        server = MutualTLS(self.controller, Peer(role=Role.AMPHORA))
        one, other = await self.talk(client, server)
        self.assertEqual((one.heard, other.heard, other.peer), (ANSWER, HELLO, AMPHORA))

    async def test_a_renewed_credential_is_shown_from_then_on(self) -> None:
        server = MutualTLS(self.issuer.issue("amphora", OTHER), Peer(role=Role.CONTROLLER))
        server.renew(self.amphora)
        client, _ = await self.talk(self.right_client(), server)
        self.assertEqual(client.peer, AMPHORA)

    async def test_a_careless_side_talks_to_a_careless_one(self) -> None:
        """So that a refusal below is the right side's doing."""
        old = {"newest": SSL.TLS1_1_VERSION, "ciphers": b"ALL:@SECLEVEL=0"}
        anonymous = {"newest": SSL.TLS1_2_VERSION, "ciphers": b"ADH:@SECLEVEL=0"}
        for client, server in (
            (Careless(None), Careless(self.amphora)),
            (Careless(None, **old), Careless(self.amphora, **old)),
            (Careless(None, **anonymous), Careless(None, **anonymous)),
        ):
            one, other = await self.talk(client, server)
            self.assertEqual((one.heard, other.heard), (ANSWER, HELLO))


class WrongServers(PeersCase):
    """Whom a controller doesn't take for the amphora that it calls."""

    async def test_one_of_another_authority(self) -> None:
        await self.refused_by_client(Careless(Issuer().issue("amphora", AMPHORA)))

    async def test_one_of_the_wrong_role(self) -> None:
        await self.refused_by_client(Careless(self.issuer.issue("controller", AMPHORA)))

    async def test_one_of_no_role_that_is_known(self) -> None:
        await self.refused_by_client(Careless(self.issuer.issue("king", AMPHORA)))

    async def test_another_amphora(self) -> None:
        await self.refused_by_client(Careless(self.issuer.issue("amphora", OTHER)))

    async def test_one_without_a_certificate(self) -> None:
        server = Careless(None, newest=SSL.TLS1_2_VERSION, ciphers=b"ADH:@SECLEVEL=0")
        await self.refused_by_client(server)

    async def test_one_whose_certificate_has_expired(self) -> None:
        await self.refused_by_client(Careless(self.issuer.issue("amphora", AMPHORA, -timedelta(days=1))))

    async def test_one_that_speaks_tls_1_1_alone(self) -> None:
        server = Careless(self.amphora, newest=SSL.TLS1_1_VERSION, ciphers=b"ALL:@SECLEVEL=0")
        await self.refused_by_client(server)


class AuthoritysWord(PeersCase):
    """Where the authority's word is enough, as for agents of OpenStack's controllers."""

    def server(self, authority: bytes) -> MutualTLS:
        return MutualTLS(Credential(pem=self.amphora.pem, authority=authority), Peer(role=None))

    async def test_any_role_and_none_may_come(self) -> None:
        for role in ("amphora", "fish"):
            client, server = await self.talk(Careless(self.issuer.issue(role, OTHER)), self.server(self.issuer.pem))
            self.assertEqual((client.heard, server.heard), (ANSWER, HELLO))

    async def test_each_of_several_authorities_is_believed(self) -> None:
        other = Issuer("its successor")
        for issuer in (self.issuer, other):
            client = Careless(issuer.issue("controller", OTHER))
            _client, server = await self.talk(client, self.server(self.issuer.pem + other.pem))
            self.assertEqual(server.heard, HELLO)

    async def test_one_of_another_authority_may_not(self) -> None:
        _client, server = await self.talk(Careless(Issuer().issue("controller", OTHER)), self.server(self.issuer.pem))
        self.assertEqual(server.heard, b"")

    async def test_no_older_version_is_spoken_than_asked_for(self) -> None:
        server = MutualTLS(self.amphora, Peer(role=None), TLSVersion.TLSv1_3)
        _client, heard = await self.talk(Careless(self.controller, SSL.TLS1_2_VERSION), server)
        self.assertEqual(heard.heard, b"")


class WrongClients(PeersCase):
    """Who doesn't command an amphora."""

    async def test_one_of_another_authority(self) -> None:
        await self.refused_by_server(Careless(Issuer().issue("controller", "control.example.com")))

    async def test_one_of_the_wrong_role(self) -> None:
        await self.refused_by_server(Careless(self.issuer.issue("amphora", "control.example.com")))

    async def test_another_amphora(self) -> None:
        await self.refused_by_server(Careless(self.issuer.issue("amphora", OTHER)))

    async def test_one_without_a_certificate(self) -> None:
        await self.refused_by_server(Careless(None))

    async def test_one_whose_certificate_has_expired(self) -> None:
        expired = self.issuer.issue("controller", "control.example.com", -timedelta(days=1))
        await self.refused_by_server(Careless(expired))

    async def test_one_that_speaks_tls_1_1_alone(self) -> None:
        client = Careless(self.controller, newest=SSL.TLS1_1_VERSION, ciphers=b"ALL:@SECLEVEL=0")
        await self.refused_by_server(client)

    async def test_one_whose_id_is_not_the_expected_one(self) -> None:
        server = MutualTLS(self.controller, Peer(role=Role.AMPHORA, identifier=AMPHORA))
        _, other = await self.talk(Careless(self.issuer.issue("amphora", OTHER)), server)
        self.assertEqual(other.heard, b"")
        self.assertIsInstance(self.ends[1], SSL.Error)
