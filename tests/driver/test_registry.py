"""Providers by name."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import Alias, Providers
from octavia_tx.errors import CloudError, IncompatibleConfiguration, InvalidInput
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model.tree import Tree
from octavia_tx.testing.provider import MemoryProvider
from tests.model.test_validation import BALANCER, listener

OTHER = MemoryProvider(name="other", description="Another.")


class ProvidersTests(SynchronousTestCase):
    """Several providers, one of them the default."""

    providers = Providers((AmphoraProvider(), OTHER))

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
        self.assertEqual(Providers((OTHER,)).default, "other")
        self.assertEqual(Providers((OTHER,)).descriptions(), (("other", "Another."),))

    def test_an_unknown_name_is_refused_and_the_known_ones_told(self) -> None:
        self.assertEqual(self.providers.known("octavia", "loadbalancer.provider"), "octavia")
        error = self.assertRaises(InvalidInput, self.providers.known, "f5", "loadbalancer.provider")
        self.assertEqual(error.field, "loadbalancer.provider")
        self.assertIn("amphora, other, octavia", str(error))

    def test_the_one_that_is_named_is_asked(self) -> None:
        tree = Tree(load_balancer=BALANCER, listeners=(listener("UDP"),))
        for name, refused in (("amphora", True), ("octavia", True), ("other", False), ("forgotten", False)):
            asked = Deferred.fromCoroutine(self.providers.check(evolve(tree.load_balancer, provider=name), tree))
            if refused:
                self.failureResultOf(asked, IncompatibleConfiguration)
            else:
                self.successResultOf(asked)

    def test_the_controller_gets_it_by_its_name_while_it_is_enabled(self) -> None:
        self.assertIs(self.providers.enabled("other"), OTHER)
        self.assertTrue(self.providers.enabled("octavia").amphorae)
        self.assertFalse(Providers((OTHER,)).enabled("other").amphorae)
        error = self.assertRaises(CloudError, self.providers.enabled, "forgotten")
        self.assertIn("'forgotten' isn't enabled", str(error))

    def test_an_alias_is_a_provider_too(self) -> None:
        alias = Alias("further", "Another name.", OTHER)
        verifyObject(IProviderDriver, alias)
        tree = Tree(load_balancer=BALANCER)
        self.successResultOf(Deferred.fromCoroutine(alias.provide(tree)))
        self.assertEqual(OTHER.provided, {BALANCER.id: tree})
        self.successResultOf(Deferred.fromCoroutine(alias.withdraw(BALANCER.id)))
        self.assertEqual(OTHER.provided, {})
