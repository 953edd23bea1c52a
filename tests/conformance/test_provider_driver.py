"""Providers that provide themselves keep their contract: the fake in memory."""

from __future__ import annotations

from octavia_tx.testing.provider import MemoryProvider
from octavia_tx.testing.provider_driver import make_provider_driver_tests


class MemoryFixture:
    """A provider in memory."""

    def __init__(self) -> None:
        self.provider = MemoryProvider()
        self.vip_address = "198.51.100.1"
        self.port = 80

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def revision(self, load_balancer_id: str) -> int | None:
        tree = self.provider.provided.get(load_balancer_id)
        return None if tree is None else tree.load_balancer.revision


class MemoryProviderTests(make_provider_driver_tests(MemoryFixture)):  # type: ignore[misc]
    """The fake, verified."""
