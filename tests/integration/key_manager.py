"""Secrets as a tenant keeps them in the embedded store: over HTTP, in barbican's words."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from octavia_tx.api import neighbours
from octavia_tx.cloud.certificates import CertificateManager
from octavia_tx.interfaces import ICertificateManager
from octavia_tx.model.references import Consumer
from octavia_tx.testing.certificates import PROJECT
from tests.integration.api import ApiCase, Reply

KEYS = "/key-manager/v1"


class KeyManagerCase(ApiCase):
    """@ivar keeper: the tenant of L{PROJECT}."""

    further = neighbours.key_manager()

    def certificates(self) -> ICertificateManager | None:
        return CertificateManager(self.vault)

    async def _prepare(self) -> None:
        await super()._prepare()
        self.keeper = Tenant(self, PROJECT)

    async def keys(self, method: str, path: str, body: Any = None, project: str = PROJECT, **more: Any) -> Reply:
        """One request below the key manager's root."""
        headers = {"X-Project-Id": project, **more.pop("headers", {})}
        return await self.ask(method, f"{KEYS}/{path}", body, headers, **more)


def secret_body(payload: bytes) -> dict[str, Any]:
    """What asks for a secret."""
    return {
        "payload": b64encode(payload).decode(),
        "payload_content_type": "application/octet-stream",
        "payload_content_encoding": "base64",
    }


def container_body(secrets: Mapping[str, str]) -> dict[str, Any]:
    """What asks for a container of secrets, by their names."""
    held = [{"name": name, "secret_ref": reference} for name, reference in secrets.items()]
    return {"type": "certificate", "secret_refs": held}


@frozen
class Tenant:
    """See L{octavia_tx.testing.certificates.Keeper}."""

    case: KeyManagerCase
    project: str

    async def secret(self, payload: bytes) -> str:
        return await self._made("secrets", secret_body(payload), "secret_ref")

    async def container(self, secrets: Mapping[str, str]) -> str:
        return await self._made("containers", container_body(secrets), "container_ref")

    async def bundle(self, **parts: bytes) -> str:
        """A container of new secrets."""
        return await self.container({name: await self.secret(payload) for name, payload in parts.items()})

    async def replace(self, reference: str, payload: bytes) -> None:
        """Give a secret another content."""
        reply = await self.case.keys("PUT", self.path(reference), project=self.project, raw=payload)
        assert reply.status == 204, reply

    async def delete(self, reference: str) -> None:
        reply = await self.case.keys("DELETE", self.path(reference), project=self.project)
        assert reply.status == 204, reply

    async def consumers(self, reference: str) -> frozenset[Consumer]:
        reply = await self.case.keys("GET", f"{self.path(reference)}/consumers", project=self.project)
        assert reply.status == 200, reply
        return frozenset(map(consumer, reply.body["consumers"]))

    @staticmethod
    def path(reference: str) -> str:
        """What of a reference stands below the root."""
        return reference.partition(f"{KEYS}/")[2]

    async def _made(self, path: str, given: dict[str, Any], key: str) -> str:
        reply = await self.case.keys("POST", path, given, self.project)
        assert reply.status == 201, reply
        made: str = reply.body[key]
        return made


def consumer(shown: dict[str, str]) -> Consumer:
    """A consumer out of barbican's words, which differ between secrets and containers."""
    if "URL" in shown:
        kind, _, identifier = shown["URL"].partition("/")
        return Consumer(service=shown["name"], kind=kind, id=identifier)
    return Consumer(service=shown["service"], kind=shown["resource_type"], id=shown["resource_id"])
