"""Tenants' certificates by reference, out of whatever store keeps containers and secrets as barbican does."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from typing import Final, Protocol

from zope.interface import implementer

from octavia_tx.errors import Forbidden, InvalidInput, ReferenceDenied, ReferenceMissing
from octavia_tx.interfaces import ICertificateManager
from octavia_tx.model.certificates import Bundle, from_parts, from_pkcs12
from octavia_tx.model.references import ACCEPTED, Consumer, Stored, stored

_KINDS: Final = {"containers": "Container", "secrets": "Secret"}


class Source(Protocol):
    """
    A store of containers and secrets.

    Each call raises L{Forbidden} where it may not be read, which says what its owner does so that it may; and
    C{CloudError} where that can't be told now. C{None} is what isn't there.
    """

    def payload(self, id: str, project_id: str) -> Awaitable[bytes | None]:
        """A secret's content."""

    def container(self, id: str, project_id: str) -> Awaitable[Mapping[str, str] | None]:
        """The ids of a container's secrets, by name."""

    def register(self, stored: Stored, consumer: Consumer) -> Awaitable[None]:
        """Note who uses it."""

    def unregister(self, stored: Stored, consumer: Consumer) -> Awaitable[None]:
        """Note who uses it no more, if it is there still."""


@implementer(ICertificateManager)
class CertificateManager:
    """Reads what a store holds."""

    def __init__(self, source: Source) -> None:
        self._source = source

    async def bundle(self, reference: str, project_id: str, where: str) -> Bundle:
        """See L{ICertificateManager}."""
        named = _named(reference, where)
        if named.kind == "secrets":
            return from_pkcs12(await self._payload(named, project_id, where), where=where)
        try:
            held = await self._source.container(named.id, project_id)
        except Forbidden as error:
            raise ReferenceDenied(where, _KINDS[named.kind], named.id, str(error)) from None
        if held is None:
            raise ReferenceMissing(where, _KINDS[named.kind], named.id)
        parts = {
            name: await self._payload(Stored("secrets", held[name]), project_id, where)
            for name in ("certificate", "private_key", "private_key_passphrase", "intermediates")
            if name in held
        }
        if "certificate" not in parts or "private_key" not in parts:
            accepted = "one with the secrets certificate and private_key, and perhaps intermediates"
            raise InvalidInput(where, f"container {named.id} with {', '.join(sorted(held)) or 'nothing'}", accepted)
        return from_parts(
            parts["certificate"],
            parts["private_key"],
            passphrase=parts.get("private_key_passphrase"),
            chain=parts.get("intermediates", b""),
            where=where,
        )

    async def secret(self, reference: str, project_id: str, where: str) -> bytes:
        """See L{ICertificateManager}."""
        named = _named(reference, where)
        if named.kind != "secrets":
            raise InvalidInput(where, reference, "the URL of a secret, as in https://host/v1/secrets/ID")
        return await self._payload(named, project_id, where)

    async def register(self, reference: str, consumer: Consumer) -> None:
        """See L{ICertificateManager}."""
        named = stored(reference)
        if named is not None:
            await self._source.register(named, consumer)

    async def unregister(self, reference: str, consumer: Consumer) -> None:
        """See L{ICertificateManager}."""
        named = stored(reference)
        if named is not None:
            await self._source.unregister(named, consumer)

    async def _payload(self, named: Stored, project_id: str, where: str) -> bytes:
        try:
            payload = await self._source.payload(named.id, project_id)
        except Forbidden as error:
            raise ReferenceDenied(where, _KINDS[named.kind], named.id, str(error)) from None
        if payload is None:
            raise ReferenceMissing(where, _KINDS[named.kind], named.id)
        return payload


def _named(reference: str, where: str) -> Stored:
    named = stored(reference)
    if named is None:
        raise InvalidInput(where, reference, ACCEPTED)
    return named
