"""Providers by name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from enum import Enum
from typing import Any

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import Alias, Providers
from octavia_tx.errors import (
    AddressUnavailable,
    CloudError,
    DatabaseUnavailable,
    DriverError,
    Forbidden,
    IncompatibleConfiguration,
    InvalidInput,
    NotFound,
    OutOfResources,
    RequestError,
)
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.tree import Tree
from octavia_tx.testing.provider import MemoryProvider
from tests.model.test_validation import BALANCER, listener

OTHER = MemoryProvider(name="other", description="Another.")
MINE = evolve(BALANCER, provider="memory")


def checking(providers: Providers, load_balancer: LoadBalancer, tree: Tree) -> Deferred[Mapping[str, str]]:
    """Ask whether a tree could be."""
    return Deferred.fromCoroutine(providers.check(load_balancer, tree, Terms()))


class ProvidersTests(SynchronousTestCase):
    """Several providers, one of them the default."""

    providers = Providers((AmphoraProvider(), OTHER), Clock())

    def test_clients_find_the_names_that_they_expect(self) -> None:
        self.assertEqual(
            self.providers.descriptions(),
            (
                ("amphora", "The Octavia Amphora driver."),
                ("other", "Another."),
                ("octavia", "Deprecated alias of the Octavia Amphora driver."),
            ),
        )

    def test_the_first_is_the_default(self) -> None:
        self.assertEqual(self.providers.default, "amphora")
        self.assertEqual(Providers((OTHER,), Clock()).default, "other")
        self.assertEqual(Providers((OTHER,), Clock()).descriptions(), (("other", "Another."),))

    def test_an_unknown_name_is_refused_and_the_known_ones_told(self) -> None:
        self.assertEqual(self.providers.known("octavia", "loadbalancer.provider"), "octavia")
        error = self.assertRaises(InvalidInput, self.providers.known, "f5", "loadbalancer.provider")
        self.assertEqual(error.field, "loadbalancer.provider")
        self.assertIn("amphora, other, octavia", str(error))

    def test_the_one_that_is_named_is_asked(self) -> None:
        tree = Tree(load_balancer=BALANCER, listeners=(listener("UDP"),))
        for name, refused in (("amphora", True), ("octavia", True), ("other", False), ("forgotten", False)):
            asked = checking(self.providers, evolve(tree.load_balancer, provider=name), tree)
            if refused:
                self.failureResultOf(asked, IncompatibleConfiguration)
            else:
                self.successResultOf(asked)

    def test_the_controller_gets_it_by_its_name_while_it_is_enabled(self) -> None:
        self.assertIs(self.providers.enabled("other"), OTHER)
        self.assertTrue(self.providers.enabled("octavia").amphorae)
        self.assertFalse(Providers((OTHER,), Clock()).enabled("other").amphorae)
        error = self.assertRaises(CloudError, self.providers.enabled, "forgotten")
        self.assertIn("'forgotten' isn't enabled", str(error))

    def test_an_alias_is_a_provider_too(self) -> None:
        alias = Alias("further", "Another name.", OTHER)
        verifyObject(IProviderDriver, alias)
        tree = Tree(load_balancer=BALANCER)
        self.successResultOf(Deferred.fromCoroutine(alias.provide(tree, Terms())))
        self.assertEqual(OTHER.provided, {BALANCER.id: tree})
        self.successResultOf(Deferred.fromCoroutine(alias.withdraw(BALANCER.id)))
        self.assertEqual(OTHER.provided, {})

    def test_two_names_of_one_provider_are_the_same(self) -> None:
        same = self.providers.same
        self.assertTrue(same("amphora", "octavia") and same("octavia", "amphora") and same("other", "other"))
        self.assertFalse(same("amphora", "other") or same("octavia", "f5") or same("f5", "other"))
        self.assertTrue(same("f5", "f5"), "also when it isn't enabled any more")

    def test_what_flavors_and_zones_may_ask_for_comes_from_the_published_schemas(self) -> None:
        names = [name for name, _sentence in self.providers.flavor_capabilities("octavia")]
        self.assertEqual(names, list(AmphoraProvider.flavor_schema["properties"]))
        self.assertIn(("memory", "How it is noted: fast or slow."), self.providers.flavor_capabilities("other"))
        self.assertEqual([name for name, _sentence in self.providers.zone_capabilities("other")], ["bank"])
        for asked in (self.providers.flavor_capabilities, self.providers.zone_capabilities):
            self.assertRaises(InvalidInput, asked, "f5")

    def test_another_may_be_the_default_and_described_otherwise(self) -> None:
        descriptions = {"other": "Ours.", "amphora": ""}
        providers = Providers(
            (OTHER, AmphoraProvider()), Clock(), default="amphora", descriptions=descriptions, aliased=False
        )
        self.assertEqual(providers.default, "amphora")
        self.assertEqual(providers.descriptions(), (("other", "Ours."), ("amphora", "The Octavia Amphora driver.")))


class Failures(SynchronousTestCase):
    """What a provider's failures become: one sentence each, that names it."""

    def setUp(self) -> None:
        self.memory = MemoryProvider()
        self.clock = Clock()
        self.providers = Providers((self.memory,), self.clock, timeout=3.0)
        self.tree = Tree(load_balancer=MINE)

    def check(self, error: BaseException) -> BaseException:
        """What is raised when the provider raises this."""
        self.memory.ahead.append(error)
        return self.failureResultOf(checking(self.providers, MINE, self.tree), Exception).value  # type: ignore[no-any-return]

    def test_its_refusals_are_told_with_its_name(self) -> None:
        for error, told in (
            (IncompatibleConfiguration("this."), "Provider 'memory' does not support a requested option: this."),
            (OutOfResources("this."), "Provider 'memory' has no room for this now: this."),
            (DriverError("this."), "Provider 'memory' reports error: this."),
        ):
            raised = self.check(error)
            self.assertIs(type(raised), type(error))
            self.assertEqual(str(raised), told)

    def test_a_refusal_of_its_own_kind_is_one_of_ours(self) -> None:
        class Full(OutOfResources):
            def __init__(self, racks: int) -> None:
                super().__init__(f"{racks} racks are full.")

        raised = self.check(Full(3))
        self.assertIs(type(raised), OutOfResources)
        self.assertEqual(str(raised), "Provider 'memory' has no room for this now: 3 racks are full.")

    def test_what_may_pass_and_what_a_client_did_stays_what_it_is(self) -> None:
        for error, kind in (
            (InvalidInput("pool.name", "x", "y"), InvalidInput),
            (CloudError("The box is rebooting."), CloudError),
            (AddressUnavailable("The box is rebooting."), CloudError),
        ):
            raised = self.check(error)
            self.assertEqual((type(raised), str(raised)), (kind, str(error)))

    def test_whatever_else_it_raises_is_its_error_and_logged(self) -> None:
        for error in (
            ZeroDivisionError("secret"),
            Forbidden("secret"),
            NotFound("Pool", "secret"),
            RequestError("secret"),
            DatabaseUnavailable("secret"),
            TimeoutError("secret"),
            CancelledError("secret"),
            asyncio.CancelledError("secret"),
            SystemExit("secret"),
            KeyboardInterrupt("secret"),
        ):
            raised = self.check(error)
            self.assertIs(type(raised), DriverError)
            self.assertEqual(str(raised), "Provider 'memory' reports error: it broke; the log has the details.")
            kind = RuntimeError if isinstance(error, CancelledError) else type(error)  # whose cancellation it isn't
            self.assertEqual(len(self.flushLoggedErrors(kind)), 1, error)

    def test_one_that_does_not_answer_is_told_after_a_while(self) -> None:
        for asked in (
            self.providers.check(MINE, self.tree, Terms()),
            self.providers.validate_flavor("memory", {}),
            self.providers.validate_zone("memory", {}),
        ):
            self.memory.silent.append(Deferred())
            asking: Deferred[Any] = Deferred.fromCoroutine(asked)
            self.clock.advance(2.9)
            self.assertNoResult(asking)
            self.clock.advance(0.2)
            error = self.failureResultOf(asking, DriverError).value
            self.assertEqual(str(error), "Provider 'memory' reports error: it gave no answer within 3 seconds.")
            self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_one_that_heeds_no_cancellation_is_not_waited_for(self) -> None:
        ended: Deferred[None] = Deferred()

        class Stubborn(MemoryProvider):
            async def check(self, tree: Tree, terms: Terms) -> Mapping[str, str]:
                with contextlib.suppress(CancelledError):
                    await Deferred()
                await ended
                return {}

        asking = checking(Providers((Stubborn(),), self.clock, timeout=3.0), MINE, self.tree)
        self.clock.advance(3.0)
        error = self.failureResultOf(asking, DriverError).value
        self.assertIn("no answer", str(error))
        ended.errback(ZeroDivisionError("too late"))

    def test_one_that_answers_in_time_leaves_nothing_to_wait_for(self) -> None:
        answer: Deferred[None] = Deferred()
        self.memory.silent.append(answer)
        asking = checking(self.providers, MINE, self.tree)
        self.clock.advance(2.9)
        answer.callback(None)
        self.assertEqual(self.successResultOf(asking), {})
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_it_says_is_missing_has_to_be_a_sentence_about_what_it_was_asked(self) -> None:
        class Reason(str, Enum):  # noqa: UP042  what there was before StrEnum
            BARE = "It is bare."

        for told, word in (
            (None, "a NoneType"),
            ([MINE.id], "a list"),
            ({BALANCER.id + "0": "It is bare."}, "names"),
            ({None: "It is bare."}, "names None"),
            ({MINE.id: None}, "a NoneType"),
            ({MINE.id: b"It is bare."}, "a bytes"),
            ({MINE.id: ""}, "1 to 1000 characters"),
            ({MINE.id: " \n"}, "1 to 1000 characters"),
            ({MINE.id: "It is\0bare."}, "no NUL"),
            ({MINE.id: "It is \ud800."}, "no half"),
            ({MINE.id: "x" * 1001}, "1 to 1000 characters"),
        ):
            misses: Any = told
            self.memory.misses = lambda tree, terms, misses=misses: misses
            error = self.failureResultOf(checking(self.providers, MINE, self.tree), DriverError).value
            self.assertTrue(str(error).startswith("Provider 'memory' reports error: its check "), error)
            self.assertIn(word, str(error))
            self.assertLess(len(str(error)), 300)
        self.memory.misses = lambda tree, terms: {MINE.id: Reason.BARE}
        told = self.successResultOf(checking(self.providers, MINE, self.tree))
        self.assertEqual([(each, type(each)) for each in told.values()], [("It is bare.", str)])

    def test_profiles_are_judged_behind_the_same_boundary(self) -> None:
        for validate in (self.providers.validate_flavor, self.providers.validate_zone):
            unknown = self.failureResultOf(Deferred.fromCoroutine(validate("memory", {"x": 1})), DriverError).value
            self.assertIsInstance(unknown, IncompatibleConfiguration)
            self.assertIn("Provider 'memory' does not support a requested option: ", str(unknown))
            self.memory.ahead.append(ZeroDivisionError())
            self.failureResultOf(Deferred.fromCoroutine(validate("memory", {})), DriverError)
            self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        bad = Deferred.fromCoroutine(self.providers.validate_flavor("memory", {"copies": 10}))
        raised = self.failureResultOf(bad, InvalidInput).value
        self.assertEqual(raised.field, "flavorprofile.flavor_data.copies")
