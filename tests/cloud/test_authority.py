"""The system's own certificate authority."""

from __future__ import annotations

import contextlib
import os
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from subprocess import PIPE, Popen

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from OpenSSL import SSL, crypto
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from octavia_tx.cloud.authority import AUTHORITY_FILE, HEARTBEAT_KEY_FILE, Authority
from octavia_tx.errors import SettingsError
from octavia_tx.interfaces import ICertificateAuthority
from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role, named_by

NOW = datetime(2030, 5, 17, 12, tzinfo=UTC)


class AuthorityCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "authority"

    def load(self, now: datetime = NOW) -> Authority:
        return Authority.load_or_create(self.directory, seconds=now.timestamp)


class KeepingTests(AuthorityCase):
    """What lies in the directory."""

    def test_it_is_the_same_authority_when_loaded_again(self) -> None:
        first, second = self.load(), self.load()
        self.assertEqual(first.authority, second.authority)
        self.assertEqual(first.heartbeat_key, second.heartbeat_key)

    def test_two_directories_have_different_authorities(self) -> None:
        first = self.load()
        self.directory = Path(self.mktemp())
        second = self.load()
        self.assertNotEqual(first.authority, second.authority)
        self.assertNotEqual(first.heartbeat_key, second.heartbeat_key)

    def test_only_its_owner_may_read_what_it_keeps(self) -> None:
        mask = os.umask(0)
        try:
            self.load()
        finally:
            os.umask(mask)
        self.assertEqual(stat.S_IMODE(self.directory.stat().st_mode), 0o700)
        self.assertEqual(
            {path.name: stat.S_IMODE(path.stat().st_mode) for path in self.directory.iterdir()},
            {AUTHORITY_FILE: 0o600, HEARTBEAT_KEY_FILE: 0o600},
        )

    def test_processes_that_start_at_once_get_the_same_authority(self) -> None:
        script = (
            "import sys; from pathlib import Path; from octavia_tx.cloud.authority import Authority; "
            "sys.stdin.read(); a = Authority.load_or_create(Path(sys.argv[1])); "
            "print(a.authority.hex(), a.heartbeat_key.hex())"
        )
        command = [sys.executable, "-c", script, str(self.directory)]
        processes = [Popen(command, stdin=PIPE, stdout=PIPE) for _ in range(4)]
        outputs = {process.communicate()[0] for process in processes}
        self.assertEqual([process.returncode for process in processes], [0] * 4)
        self.assertEqual(len(outputs), 1)
        self.assertEqual({path.name for path in self.directory.iterdir()}, {AUTHORITY_FILE, HEARTBEAT_KEY_FILE})

    def test_secrets_are_not_shown(self) -> None:
        authority = self.load()
        self.assertNotIn(repr(authority.heartbeat_key), repr(authority))
        self.assertNotIn("PRIVATE", repr(authority))


class DamageTests(AuthorityCase):
    """What can't be used is named, and left as it is."""

    def refused(self, now: datetime = NOW) -> str:
        error = self.assertRaises(SettingsError, self.load, now)
        (problem,) = error.problems
        return problem

    def test_a_damaged_certificate_is_refused_and_kept(self) -> None:
        self.load()
        path = self.directory / AUTHORITY_FILE
        path.write_bytes(b"no certificate")
        self.assertIn(str(path), self.refused())
        self.assertEqual(path.read_bytes(), b"no certificate")

    def test_an_empty_file_is_refused(self) -> None:
        self.load()
        (self.directory / AUTHORITY_FILE).write_bytes(b"")
        self.assertIn("doesn't hold a certificate", self.refused())

    def test_a_key_of_another_certificate_is_refused(self) -> None:
        authority = self.load()
        other = authority.issue(Role.AMPHORA, "one").pem
        key = other[other.index(b"-----BEGIN PRIVATE KEY") :]
        (self.directory / AUTHORITY_FILE).write_bytes(authority.authority + key)
        self.assertIn("isn't the certificate's", self.refused())

    def test_a_short_heartbeat_key_is_refused(self) -> None:
        self.load()
        (self.directory / HEARTBEAT_KEY_FILE).write_bytes(b"short")
        self.assertIn("5 bytes, not 32", self.refused())

    def test_an_expired_authority_is_refused(self) -> None:
        self.load()
        self.assertIn("expired", self.refused(NOW + timedelta(days=3653)))

    def test_a_directory_that_is_a_file_is_refused(self) -> None:
        self.directory.parent.mkdir(parents=True, exist_ok=True)
        self.directory.write_bytes(b"")
        self.assertIn(str(self.directory), self.refused())


class IssuingTests(AuthorityCase):
    """The certificates of peers."""

    def setUp(self) -> None:
        super().setUp()
        self.authority = self.load()

    def certificate(self, role: Role = Role.AMPHORA, identifier: str = "an-amphora") -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.authority.issue(role, identifier).pem)

    def test_it_provides_the_contract(self) -> None:
        self.assertTrue(verifyObject(ICertificateAuthority, self.authority))

    def test_a_certificate_names_role_and_id(self) -> None:
        certificate = self.certificate(Role.CONTROLLER, "host.example")
        self.assertEqual(named_by(certificate), (Role.CONTROLLER, frozenset({"host.example"})))
        (name,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        self.assertEqual(name.value, "host.example")

    def test_a_certificate_serves_on_both_sides(self) -> None:
        usage = self.certificate().extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        self.assertEqual(set(usage), {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH})

    def test_a_certificate_bears_a_clock_that_is_behind_and_ends_within_90_days(self) -> None:
        certificate = self.certificate()
        self.assertLess(certificate.not_valid_before_utc, NOW - timedelta(minutes=5))
        self.assertGreater(certificate.not_valid_after_utc, NOW + timedelta(days=30))
        self.assertLess(certificate.not_valid_after_utc, NOW + timedelta(days=90))

    def test_a_certificate_does_not_outlive_its_authority(self) -> None:
        late = self.load(NOW + timedelta(days=3650))
        certificate = x509.load_pem_x509_certificate(late.issue(Role.AMPHORA, "one").pem)
        root = x509.load_pem_x509_certificate(late.authority)
        self.assertEqual(certificate.not_valid_after_utc, root.not_valid_after_utc)

    def test_each_credential_has_a_key_and_serial_of_its_own(self) -> None:
        first, second = self.certificate(), self.certificate()
        self.assertNotEqual(first.public_key(), second.public_key())
        self.assertNotEqual(first.serial_number, second.serial_number)

    def test_keys_are_of_p256(self) -> None:
        root = x509.load_pem_x509_certificate(self.authority.authority)
        for key in (root.public_key(), self.certificate().public_key()):
            assert isinstance(key, ec.EllipticCurvePublicKey)
            self.assertEqual(key.curve.name, "secp256r1")

    def test_a_long_host_name_is_named_in_full(self) -> None:
        name = "host." + "long-label." * 8 + "example"
        self.assertEqual(named_by(self.certificate(Role.CONTROLLER, name))[1], frozenset({name}))


class HandshakeTests(SynchronousTestCase):
    """Two peers with credentials of the authority come together; others don't."""

    def setUp(self) -> None:
        self.authority = Authority.load_or_create(Path(self.mktemp()))
        self.agent = self.authority.issue(Role.AMPHORA, "one")

    def meet(self, client: Credential, wanted: Peer) -> None:
        """Shake hands in memory; an L{SSL.Error} is raised on the side that refuses."""
        ends = (
            MutualTLS(client, wanted).clientConnectionForTLS(None),
            MutualTLS(self.agent, Peer(role=Role.CONTROLLER)).serverConnectionForTLS(None),
        )
        ends[0].set_connect_state()
        ends[1].set_accept_state()
        for _ in range(6):
            for end, other in (ends, ends[::-1]):
                with contextlib.suppress(SSL.WantReadError):
                    end.do_handshake()
                with contextlib.suppress(SSL.WantReadError):
                    other.bio_write(end.bio_read(65536))
        self.assertIsInstance(ends[1].get_peer_certificate(), crypto.X509)

    def test_a_controller_and_the_amphora_that_it_wants_meet(self) -> None:
        self.meet(self.authority.issue(Role.CONTROLLER, "host"), Peer(role=Role.AMPHORA, identifier="one"))

    def test_another_amphora_is_refused(self) -> None:
        controller = self.authority.issue(Role.CONTROLLER, "host")
        self.assertRaises(SSL.Error, self.meet, controller, Peer(role=Role.AMPHORA, identifier="two"))

    def test_an_amphora_does_not_command_another(self) -> None:
        self.assertRaises(
            SSL.Error, self.meet, self.authority.issue(Role.AMPHORA, "two"), Peer(role=Role.AMPHORA, identifier="one")
        )

    def test_a_stranger_of_another_authority_is_refused(self) -> None:
        stranger = Authority.load_or_create(Path(self.mktemp())).issue(Role.CONTROLLER, "host")
        wrong = Credential(pem=stranger.pem, authority=self.authority.authority)
        self.assertRaises(SSL.Error, self.meet, wrong, Peer(role=Role.AMPHORA, identifier="one"))
