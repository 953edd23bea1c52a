"""
What every L{IProviderDriver} that provides load balancers itself must do, as tests that its author runs against it.

::

    class MyProviderTests(make_provider_driver_tests(MyFixture)):
        pass
"""

# Trial's own assertions have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model.resources import Listener, LoadBalancer
from octavia_tx.model.tree import Tree

_WHEN = datetime(2026, 1, 1, tzinfo=UTC)


class ProviderDriverFixture(Protocol):
    """
    A provider to try; made anew for each test.

    @ivar provider: what is tested.
    @ivar vip_address: where it may listen.
    @ivar port: of that address, which nobody uses.
    """

    provider: IProviderDriver
    vip_address: str
    port: int

    async def start(self) -> None:
        """Bring all this about."""

    async def stop(self) -> None:
        """Leave nothing behind; also called when L{start} failed."""

    async def revision(self, load_balancer_id: str) -> int | None:
        """Which revision of that load balancer is provided; C{None}: nothing is left of it."""


class _ProviderDriverTests(TestCase):
    """The tests; L{make_provider_driver_tests} binds them to a fixture."""

    fixture: ProviderDriverFixture

    def make_fixture(self) -> ProviderDriverFixture:
        """A new fixture."""
        raise NotImplementedError

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        self.fixture = self.make_fixture()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.fixture.stop()))
        await self.fixture.start()
        self.provider = self.fixture.provider

    def tree(self, revision: int = 1) -> Tree:
        """A load balancer with one HTTP listener."""
        load_balancer = LoadBalancer(
            id=str(uuid4()),
            project_id="a-project",
            provider=self.provider.name,
            vip_address=self.fixture.vip_address,
            revision=revision,
            created_at=_WHEN,
        )
        listener = Listener(
            id=str(uuid4()),
            project_id="a-project",
            load_balancer_id=load_balancer.id,
            protocol="HTTP",
            protocol_port=self.fixture.port,
            created_at=_WHEN,
        )
        return Tree(load_balancer=load_balancer, listeners=(listener,))

    def at(self, tree: Tree, revision: int) -> Tree:
        """The same at another revision."""
        return evolve(tree, load_balancer=evolve(tree.load_balancer, revision=revision))

    async def provided(self, tree: Tree) -> int | None:
        """Which revision of it is provided."""
        return await self.fixture.revision(tree.load_balancer.id)

    async def test_it_provides_the_contract(self) -> None:
        verifyObject(IProviderDriver, self.provider)
        self.assertFalse(self.provider.amphorae)
        self.assertTrue(self.provider.name and self.provider.description)

    async def test_asking_whether_it_could_provides_nothing(self) -> None:
        tree = self.tree()
        await self.provider.check(tree)
        self.assertIsNone(await self.provided(tree))

    async def test_it_provides_and_again_changes_nothing(self) -> None:
        tree = self.tree()
        for _ in range(2):
            await self.provider.provide(tree)
            self.assertEqual(await self.provided(tree), 1)

    async def test_a_newer_revision_takes_an_older_ones_place(self) -> None:
        tree = self.tree()
        await self.provider.provide(tree)
        await self.provider.provide(self.at(tree, 3))
        self.assertEqual(await self.provided(tree), 3)

    async def test_one_that_comes_late_changes_nothing(self) -> None:
        tree = self.tree(revision=3)
        await self.provider.provide(tree)
        await self.provider.provide(self.at(tree, 2))
        self.assertEqual(await self.provided(tree), 3)

    async def test_withdrawing_leaves_nothing_and_may_be_repeated(self) -> None:
        tree, other = self.tree(), self.tree()
        await self.provider.provide(tree)
        await self.provider.provide(evolve(other, listeners=()))
        for _ in range(2):
            await self.provider.withdraw(tree.load_balancer.id)
            self.assertIsNone(await self.provided(tree))
        self.assertEqual(await self.provided(other), 1)

    async def test_withdrawing_what_was_never_provided_is_no_error(self) -> None:
        await self.provider.withdraw(str(uuid4()))


def make_provider_driver_tests(fixture: Callable[[], ProviderDriverFixture]) -> type[TestCase]:
    """
    The suite for the provider that a fixture holds, to be subclassed in a test module.

    @param fixture: makes a new fixture for each test.
    """

    class BoundTests(_ProviderDriverTests):
        def make_fixture(self) -> ProviderDriverFixture:
            return fixture()

    return BoundTests
