"""Providers by name."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import evolve
from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import IncompatibleConfiguration, InvalidInput
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model.tree import Tree
from tests.model.test_validation import BALANCER, listener


@implementer(IProviderDriver)
class Other:
    """A provider that refuses nothing."""

    name = "other"
    description = "Another."

    async def check(self, tree: Tree) -> Mapping[str, str]:
        """Fine."""
        return {}


class ProvidersTests(SynchronousTestCase):
    """Several providers, one of them the default."""

    providers = Providers((AmphoraProvider(), Other()))

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
        self.assertEqual(Providers((Other(),)).default, "other")
        self.assertEqual(Providers((Other(),)).descriptions(), (("other", "Another."),))

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
