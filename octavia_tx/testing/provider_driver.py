"""
What every L{IProviderDriver} must do, as tests that its author runs against it.

::

    class MyProviderTests(make_provider_driver_tests(MyFixture)):
        pass

For one whose load balancers the controller serves with amphorae: L{make_judging_provider_tests}.
"""

# Trial's own assertions have no types.
# mypy: allow-untyped-calls

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol
from uuid import uuid4

from attrs import evolve
from jsonschema import Draft202012Validator
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.trial.unittest import TestCase
from zope.interface.verify import verifyObject

from octavia_tx.driver.answers import in_time, incomplete
from octavia_tx.driver.registry import TIMEOUT
from octavia_tx.errors import DriverError, IncompatibleConfiguration, InvalidInput
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model import statuses
from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import Listener, LoadBalancer
from octavia_tx.model.tree import Tree

_WHEN = datetime(2026, 1, 1, tzinfo=UTC)
_TERMS = Terms()
_UNKNOWN = "octavia-tx-no-such-option"
_VALUES: tuple[Any, ...] = (None, True, -1, 0, 1, 2.5, 10**20, "", "1", "no such word", "two\nlines", [], ["x"], {})

_Validate = Callable[[Mapping[str, Any]], Awaitable[None]]


class JudgingFixture(Protocol):
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


class ProviderDriverFixture(JudgingFixture, Protocol):
    """The same of a provider that provides load balancers itself."""

    async def revision(self, load_balancer_id: str) -> int | None:
        """Which revision of that load balancer is provided; C{None}: nothing is left of it."""


class _JudgingTests(TestCase):
    """What is the same for all."""

    fixture: Any

    def make_fixture(self) -> JudgingFixture:
        """A new fixture."""
        raise NotImplementedError

    async def setUp(self) -> None:  # type: ignore[override]  # trial waits for it
        self.fixture = self.make_fixture()
        self.addCleanup(lambda: Deferred.fromCoroutine(self.fixture.stop()))
        await self.fixture.start()
        self.provider: IProviderDriver = self.fixture.provider

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

    def published(self) -> Iterator[tuple[Mapping[str, Any], _Validate]]:
        """Each schema, and what enforces it."""
        yield self.provider.flavor_schema, self.provider.validate_flavor
        yield self.provider.availability_zone_schema, self.provider.validate_availability_zone

    async def test_it_provides_the_contract(self) -> None:
        verifyObject(IProviderDriver, self.provider)
        self.assertTrue(self.provider.name and self.provider.description)

    async def test_its_schemas_say_what_each_option_means(self) -> None:
        for schema, _validate in self.published():
            Draft202012Validator.check_schema(schema)
            self.assertEqual(schema["type"], "object")
            for name, known in schema.get("properties", {}).items():
                self.assertTrue(known.get("description"), name)

    async def test_to_ask_for_nothing_is_always_possible(self) -> None:
        for _schema, validate in self.published():
            await validate({})

    async def test_an_option_that_is_not_published_is_refused_and_named(self) -> None:
        for schema, validate in self.published():
            self.assertFalse(Draft202012Validator(schema).is_valid({_UNKNOWN: 1}))
            try:
                await validate({_UNKNOWN: 1})
            except IncompatibleConfiguration as error:
                self.assertIn(_UNKNOWN, str(error))
            else:
                self.fail("accepted")

    async def test_what_its_schemas_refuse_is_refused_and_the_option_named(self) -> None:
        for schema, validate in self.published():
            judge = Draft202012Validator(schema)
            for name, known in schema.get("properties", {}).items():
                for value in (*_VALUES, *known.get("enum", ())):
                    refused = not judge.is_valid({name: value})
                    try:
                        await validate({name: value})
                    except InvalidInput as error:
                        self.assertIn(name, error.field)
                    except DriverError:
                        self.assertFalse(refused, f"{name}: {value!r} is invalid input")
                    else:
                        self.assertFalse(refused, f"{name}: {value!r} was accepted")

    async def judge(self, tree: Tree) -> Mapping[str, str] | Exception:
        """What it says of a tree, or the error by which it refuses it; there in time, and such as it may be."""
        from twisted.internet import reactor

        try:
            told = await in_time(IReactorTime(reactor), TIMEOUT, partial(self.provider.check, tree, _TERMS))
        except (IncompatibleConfiguration, InvalidInput) as error:
            return error
        return incomplete(tree, told)

    async def test_what_it_judges_it_judges_alike_again(self) -> None:
        tree = self.tree()
        first = await self.judge(tree)
        self.assertNotIsInstance(first, Exception)
        self.assertEqual(await self.judge(tree), first)

    async def test_what_it_can_not_do_it_refuses_with_a_sentence(self) -> None:
        for protocol in statuses.Protocol:
            tree = self.tree()
            tree = evolve(tree, listeners=tuple(evolve(each, protocol=protocol) for each in tree.listeners))
            told = await self.judge(tree)
            if isinstance(told, Exception):
                self.assertTrue(str(told).strip(), protocol)


class _ProviderDriverTests(_JudgingTests):
    """The tests; L{make_provider_driver_tests} binds them to a fixture."""

    def at(self, tree: Tree, revision: int) -> Tree:
        """The same at another revision."""
        return evolve(tree, load_balancer=evolve(tree.load_balancer, revision=revision))

    async def provided(self, tree: Tree) -> int | None:
        """Which revision of it is provided."""
        found: int | None = await self.fixture.revision(tree.load_balancer.id)
        return found

    async def test_it_needs_no_amphorae(self) -> None:
        self.assertFalse(self.provider.amphorae)

    async def test_asking_whether_it_could_provides_nothing(self) -> None:
        tree = self.tree()
        await self.provider.check(tree, _TERMS)
        self.assertIsNone(await self.provided(tree))

    async def test_it_provides_and_again_changes_nothing(self) -> None:
        tree = self.tree()
        for _ in range(2):
            await self.provider.provide(tree, _TERMS)
            self.assertEqual(await self.provided(tree), 1)

    async def test_a_newer_revision_takes_an_older_ones_place(self) -> None:
        tree = self.tree()
        await self.provider.provide(tree, _TERMS)
        await self.provider.provide(self.at(tree, 3), _TERMS)
        self.assertEqual(await self.provided(tree), 3)

    async def test_one_that_comes_late_changes_nothing(self) -> None:
        tree = self.tree(revision=3)
        await self.provider.provide(tree, _TERMS)
        await self.provider.provide(self.at(tree, 2), _TERMS)
        self.assertEqual(await self.provided(tree), 3)

    async def test_withdrawing_leaves_nothing_and_may_be_repeated(self) -> None:
        tree, other = self.tree(), self.tree()
        await self.provider.provide(tree, _TERMS)
        await self.provider.provide(evolve(other, listeners=()), _TERMS)
        for _ in range(2):
            await self.provider.withdraw(tree.load_balancer.id)
            self.assertIsNone(await self.provided(tree))
        self.assertEqual(await self.provided(other), 1)

    async def test_withdrawing_what_was_never_provided_is_no_error(self) -> None:
        await self.provider.withdraw(str(uuid4()))


def make_provider_driver_tests(fixture: Callable[[], ProviderDriverFixture]) -> type[TestCase]:
    """
    The suite for a provider that provides load balancers itself, to be subclassed in a test module.

    @param fixture: makes a new fixture for each test.
    """

    class BoundTests(_ProviderDriverTests):
        def make_fixture(self) -> JudgingFixture:
            return fixture()

    return BoundTests


def make_judging_provider_tests(fixture: Callable[[], JudgingFixture]) -> type[TestCase]:
    """The suite for a provider that only judges what is asked for, because the controller serves it with amphorae."""

    class BoundTests(_JudgingTests):
        def make_fixture(self) -> JudgingFixture:
            return fixture()

        async def test_it_leaves_the_work_to_amphorae(self) -> None:
            self.assertTrue(self.provider.amphorae)

    return BoundTests
