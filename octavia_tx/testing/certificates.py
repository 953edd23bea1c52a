"""
What every L{ICertificateManager} must do, as tests that its author runs against it, and one in memory that passes them.

::

    class MyManagerTests(make_certificate_manager_tests(make_my_stage)):
        pass
"""

# Trial's own assertions have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol
from uuid import uuid4

from attrs import define, field, frozen
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID
from twisted.trial.unittest import TestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from octavia_tx.errors import (
    CloudError,
    DatabaseUnavailable,
    InvalidInput,
    OctaviaError,
    ReferenceDenied,
    ReferenceMissing,
)
from octavia_tx.interfaces import ICertificateManager
from octavia_tx.model.certificates import Bundle, from_parts, from_pkcs12
from octavia_tx.model.references import ACCEPTED, Consumer, Stored, stored

PROJECT: Final = "shop"
WHERE: Final = "listener.default_tls_container_ref"
_PASSPHRASE: Final = b"open sesame"


@frozen(kw_only=True)
class Material:
    """A certificate in all forms in which tenants store one."""

    certificate: bytes
    key: bytes = field(repr=False)
    key_with_passphrase: bytes = field(repr=False)
    passphrase: bytes = field(repr=False)
    pkcs12: bytes = field(repr=False)

    @classmethod
    def new(cls, name: str = "www.example.org") -> Material:
        """A new one, which is its own issuer."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]), datetime.now(UTC)
        since, until = now - timedelta(hours=1), now + timedelta(days=1)
        made = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number(), since, until)
        certificate = made.sign(key, SHA256())
        form = Encoding.PEM, PrivateFormat.PKCS8
        return cls(
            certificate=certificate.public_bytes(Encoding.PEM),
            key=key.private_bytes(*form, NoEncryption()),
            key_with_passphrase=key.private_bytes(*form, BestAvailableEncryption(_PASSPHRASE)),
            passphrase=_PASSPHRASE,
            pkcs12=pkcs12.serialize_key_and_certificates(name.encode(), key, certificate, None, NoEncryption()),
        )


class Keeper(Protocol):
    """How a tenant stores something, in the project L{PROJECT}."""

    def secret(self, payload: bytes) -> Awaitable[str]:
        """Store a secret; gives its reference."""

    def container(self, secrets: Mapping[str, str]) -> Awaitable[str]:
        """Put secrets together, by their references, in a certificate container; gives its reference."""

    def delete(self, reference: str) -> Awaitable[None]:
        """Remove a secret or container."""

    def consumers(self, reference: str) -> Awaitable[frozenset[Consumer]]:
        """Who is known to use it."""


@frozen(kw_only=True)
class Stage:
    """
    A manager, and what its tests need around it.

    @ivar manager: what is tested; C{keeper}: the tenant's way to what it reads.
    @ivar foreign: what the project L{PROJECT} may not use, though it is there.
    @ivar silence: lets nobody answer the manager, until the test ends.
    """

    manager: ICertificateManager
    keeper: Keeper
    foreign: str
    silence: Callable[[], Awaitable[None]]


Factory = Callable[[TestCase], Awaitable[Stage]]


class _ManagerTests(TestCase):
    async def _stage(self) -> Stage:
        raise NotImplementedError

    async def _refused(self, asking: Awaitable[object], *kinds: type[OctaviaError]) -> str:
        try:
            await asking
        except kinds as error:
            self.assertNotIn("PRIVATE KEY", f"{error!r} {error.__cause__!r} {error.__context__!r}")
            return str(error)
        raise self.failureException("It wasn't refused.")

    async def _container(self, keeper: Keeper, **parts: bytes) -> str:
        return await keeper.container({name: await keeper.secret(payload) for name, payload in parts.items()})

    async def test_it_provides_the_interface(self) -> None:
        verifyObject(ICertificateManager, (await self._stage()).manager)

    async def test_a_container_is_a_bundle(self) -> None:
        stage, made = await self._stage(), Material.new()
        reference = await self._container(stage.keeper, certificate=made.certificate, private_key=made.key)
        bundle = await stage.manager.bundle(reference, PROJECT, WHERE)
        self.assertEqual(bundle, from_parts(made.certificate, made.key))
        self.assertNotIn("PRIVATE KEY", repr(bundle))

    async def test_a_key_may_have_a_passphrase_and_the_certificate_issuers(self) -> None:
        stage, made = await self._stage(), Material.new()
        reference = await self._container(
            stage.keeper,
            certificate=made.certificate,
            private_key=made.key_with_passphrase,
            private_key_passphrase=made.passphrase,
            intermediates=made.certificate,
        )
        bundle = await stage.manager.bundle(reference, PROJECT, WHERE)
        self.assertEqual(bundle, from_parts(made.certificate, made.key))

    async def test_a_secret_that_is_a_pkcs12_file_is_a_bundle(self) -> None:
        stage, made = await self._stage(), Material.new()
        bundle = await stage.manager.bundle(await stage.keeper.secret(made.pkcs12), PROJECT, WHERE)
        self.assertEqual(bundle, from_pkcs12(made.pkcs12))

    async def test_a_secret_is_given_as_it_was_stored(self) -> None:
        stage = await self._stage()
        for payload in (b"-----BEGIN X509 CRL-----\n\xc3\xa4\n", bytes(range(256))):
            reference = await stage.keeper.secret(payload)
            for spelled in (reference, f"{reference}/"):
                self.assertEqual(await stage.manager.secret(spelled, PROJECT, WHERE), payload)

    async def test_what_is_not_there_is_told_by_its_field(self) -> None:
        stage, made = await self._stage(), Material.new()
        gone = await stage.keeper.secret(made.pkcs12)
        empty = await self._container(stage.keeper, certificate=made.certificate, private_key=made.key)
        for each in (gone, empty):
            await stage.keeper.delete(each)
        unknown = gone.rpartition("/")[0] + f"/{uuid4()}"
        for reference in (gone, unknown, empty):
            told = await self._refused(stage.manager.bundle(reference, PROJECT, WHERE), ReferenceMissing)
            self.assertIn(WHERE, told)
        told = await self._refused(stage.manager.secret(gone, PROJECT, WHERE), ReferenceMissing)
        self.assertIn(WHERE, told)

    async def test_what_is_others_is_not_given(self) -> None:
        stage = await self._stage()
        for ask in (stage.manager.bundle, stage.manager.secret):
            told = await self._refused(ask(stage.foreign, PROJECT, WHERE), ReferenceMissing, ReferenceDenied)
            self.assertIn(WHERE, told)

    async def test_what_is_no_reference_is_refused_with_what_is_accepted(self) -> None:
        stage = await self._stage()
        for text in ("", "x", "https://host/v1/secrets/x", f"https://host/v1/orders/{uuid4()}", "a\nb"):
            for ask in (stage.manager.bundle, stage.manager.secret):
                told = await self._refused(ask(text, PROJECT, WHERE), InvalidInput)
                self.assertIn(WHERE, told)
                self.assertIn("/v1/", told.partition("Accepted: ")[2])

    async def test_what_cannot_be_used_is_refused_and_no_key_told(self) -> None:
        stage, made, other = await self._stage(), Material.new(), Material.new()
        for parts in (
            {"certificate": made.certificate, "private_key": other.key},
            {"certificate": made.certificate, "private_key": made.key[:-60]},
            {"certificate": made.certificate, "private_key": made.key_with_passphrase},
            {"certificate": made.key, "private_key": made.key},
            {"certificate": made.certificate},
        ):
            reference = await self._container(stage.keeper, **parts)
            self.assertIn(WHERE, await self._refused(stage.manager.bundle(reference, PROJECT, WHERE), InvalidInput))
        for payload in (made.key, made.pkcs12[:-10]):
            reference = await stage.keeper.secret(payload)
            self.assertIn(WHERE, await self._refused(stage.manager.bundle(reference, PROJECT, WHERE), InvalidInput))

    async def test_users_are_told_of_once_and_taken_back(self) -> None:
        stage, made = await self._stage(), Material.new()
        one, two = (Consumer(kind="loadbalancer", id=str(uuid4())) for _ in range(2))
        container = await self._container(stage.keeper, certificate=made.certificate, private_key=made.key)
        for reference in (container, await stage.keeper.secret(made.pkcs12)):
            for consumer in (one, two, one):
                await stage.manager.register(reference, consumer)
            self.assertEqual(await stage.keeper.consumers(reference), {one, two})
            for _ in range(2):
                await stage.manager.unregister(reference, one)
            self.assertEqual(await stage.keeper.consumers(reference), {two})
            await stage.manager.unregister(reference, two)
            await stage.keeper.delete(reference)
            await stage.manager.unregister(reference, two)

    async def test_what_cannot_be_told_now_is_not_taken_for_missing(self) -> None:
        stage, made = await self._stage(), Material.new()
        reference = await stage.keeper.secret(made.pkcs12)
        await stage.silence()
        for ask in (stage.manager.bundle, stage.manager.secret):
            await self._refused(ask(reference, PROJECT, WHERE), CloudError, DatabaseUnavailable)


def make_certificate_manager_tests(factory: Factory) -> type[TestCase]:
    """
    A test case with the contract's promises, one test each.

    @param factory: sets the stage, and registers with C{addCleanup} what undoes it all.
    """

    class CertificateManagerTests(_ManagerTests):
        async def _stage(self) -> Stage:
            return await factory(self)

    return CertificateManagerTests


@implementer(ICertificateManager)
@define
class MemoryCertificates:
    """
    Certificates that are only noted down; also their L{Keeper}.

    @ivar silent: whether nobody answers.
    @ivar denied: references that may not be read.
    """

    silent: bool = False
    denied: set[str] = field(factory=set)
    _secrets: dict[str, bytes] = field(factory=dict, repr=False)
    _containers: dict[str, dict[str, str]] = field(factory=dict)
    _consumers: dict[str, set[Consumer]] = field(factory=dict)

    async def secret_of(self, payload: bytes) -> str:
        """Store a secret; gives its reference."""
        reference = f"https://memory.example/v1/secrets/{uuid4()}"
        self._secrets[reference] = payload
        return reference

    async def container(self, secrets: Mapping[str, str]) -> str:
        """Put secrets together; gives the container's reference."""
        reference = f"https://memory.example/v1/containers/{uuid4()}"
        self._containers[reference] = dict(secrets)
        return reference

    async def replace(self, reference: str, payload: bytes) -> None:
        """Give a secret another content."""
        self._secrets[reference] = payload

    async def delete(self, reference: str) -> None:
        """Remove a secret or container."""
        for kept in (self._secrets, self._containers, self._consumers):
            kept.pop(reference, None)

    async def consumers(self, reference: str) -> frozenset[Consumer]:
        """Who is known to use it."""
        return frozenset(self._consumers.get(reference, ()))

    async def bundle(self, reference: str, project_id: str, where: str) -> Bundle:
        """See L{ICertificateManager}."""
        named = self._named(reference, where)
        if named.kind == "secrets":
            return from_pkcs12(self._secrets[self._known(reference, where)], where=where)
        held = self._containers[self._known(reference, where)]
        parts = {name: self._secrets[self._known(each, where)] for name, each in held.items()}
        if not {"certificate", "private_key"} <= parts.keys():
            raise InvalidInput(where, "a container that lacks one of them", "certificate and private_key")
        return from_parts(
            parts["certificate"],
            parts["private_key"],
            passphrase=parts.get("private_key_passphrase"),
            chain=parts.get("intermediates", b""),
            where=where,
        )

    async def secret(self, reference: str, project_id: str, where: str) -> bytes:
        """See L{ICertificateManager}."""
        if self._named(reference, where).kind != "secrets":
            raise InvalidInput(where, reference, ACCEPTED)
        return self._secrets[self._known(reference, where)]

    async def register(self, reference: str, consumer: Consumer) -> None:
        """See L{ICertificateManager}."""
        self._consumers.setdefault(reference, set()).add(consumer)

    async def unregister(self, reference: str, consumer: Consumer) -> None:
        """See L{ICertificateManager}."""
        self._consumers.get(reference, set()).discard(consumer)

    def _named(self, reference: str, where: str) -> Stored:
        if self.silent:
            raise CloudError("Nobody answers what is stored there.")
        named = stored(reference)
        if named is None:
            raise InvalidInput(where, reference, ACCEPTED)
        return named

    def _known(self, reference: str, where: str) -> str:
        reference = reference.rstrip("/")
        named = self._named(reference, where)
        if reference in self.denied:
            raise ReferenceDenied(where, named.kind, named.id, "Ask its owner.")
        if reference not in self._secrets and reference not in self._containers:
            raise ReferenceMissing(where, named.kind, named.id)
        return reference
