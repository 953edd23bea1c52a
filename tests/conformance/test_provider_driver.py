"""Providers keep their contract: our own under both its names, and the fake in memory."""

from __future__ import annotations

from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import octavia
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.testing.provider import MemoryProvider
from octavia_tx.testing.provider_driver import make_judging_provider_tests, make_provider_driver_tests


class Fixture:
    """A provider that holds nothing but memory."""

    vip_address = "198.51.100.1"
    port = 80

    def __init__(self, provider: IProviderDriver) -> None:
        self.provider = provider

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass


class MemoryFixture(Fixture):
    """The fake."""

    provider: MemoryProvider

    def __init__(self) -> None:
        super().__init__(MemoryProvider())

    async def revision(self, load_balancer_id: str) -> int | None:
        tree = self.provider.provided.get(load_balancer_id)
        return None if tree is None else tree.load_balancer.revision


class MemoryProviderTests(make_provider_driver_tests(MemoryFixture)):  # type: ignore[misc]
    """The fake, verified."""


class AmphoraProviderTests(make_judging_provider_tests(lambda: Fixture(AmphoraProvider()))):  # type: ignore[misc]
    """Our own."""


class AliasTests(make_judging_provider_tests(lambda: Fixture(octavia(AmphoraProvider())))):  # type: ignore[misc]
    """Our own under its older name."""


class NoAmphoraProviderTests(  # type: ignore[misc]
    make_judging_provider_tests(lambda: Fixture(AmphoraProvider(accept_all=True)))
):
    """Our own where there are no amphorae."""
