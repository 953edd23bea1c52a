"""Certificate managers keep the contract: the fake, verified. Those over a store have their turn in C{integration}."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen
from twisted.trial.unittest import TestCase

from octavia_tx.model.references import Consumer
from octavia_tx.testing.certificates import Material, MemoryCertificates, Stage, make_certificate_manager_tests


@frozen
class _Keeper:
    memory: MemoryCertificates

    async def secret(self, payload: bytes) -> str:
        return await self.memory.secret_of(payload)

    async def container(self, secrets: Mapping[str, str]) -> str:
        return await self.memory.container(secrets)

    async def delete(self, reference: str) -> None:
        await self.memory.delete(reference)

    async def consumers(self, reference: str) -> frozenset[Consumer]:
        return await self.memory.consumers(reference)


async def _memory(case: TestCase) -> Stage:
    memory = MemoryCertificates()
    foreign = await memory.secret_of(Material.new().pkcs12)
    memory.denied.add(foreign)

    async def silence() -> None:
        memory.silent = True

    return Stage(manager=memory, keeper=_Keeper(memory), foreign=foreign, silence=silence)


class MemoryCertificatesTests(make_certificate_manager_tests(_memory)):  # type: ignore[misc]
    """The fake, verified."""
