"""A third party's provider in memory: a verified fake, which passes the contract's suite."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import define, field
from zope.interface import implementer

from octavia_tx.errors import OctaviaError
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model.tree import Tree


@implementer(IProviderDriver)
@define
class MemoryProvider:
    """
    Load balancers that are only noted down.

    @ivar provided: what it provides, by the load balancer's id.
    @ivar calls: what was asked of it, first to last: C{"provide"}, C{"withdraw"}.
    @ivar ahead: failures that a test has prepared: the calls to come raise them, first to last, and do nothing.
    """

    name: str = "memory"
    description: str = "Load balancers in memory."
    amphorae: bool = False
    provided: dict[str, Tree] = field(factory=dict)
    calls: list[str] = field(factory=list)
    ahead: list[OctaviaError] = field(factory=list)

    async def check(self, tree: Tree) -> Mapping[str, str]:
        """See L{IProviderDriver.check}. Everything could be, and is complete."""
        self._befall()
        return {}

    async def provide(self, tree: Tree) -> None:
        """See L{IProviderDriver.provide}."""
        self.calls.append("provide")
        self._befall()
        load_balancer = tree.load_balancer
        before = self.provided.get(load_balancer.id)
        if before is None or before.load_balancer.revision <= load_balancer.revision:
            self.provided[load_balancer.id] = tree

    async def withdraw(self, load_balancer_id: str) -> None:
        """See L{IProviderDriver.withdraw}."""
        self.calls.append("withdraw")
        self._befall()
        self.provided.pop(load_balancer_id, None)

    def _befall(self) -> None:
        if self.ahead:
            raise self.ahead.pop(0)
