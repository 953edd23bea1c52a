"""A third party's provider in memory: a verified fake, which passes the contract's suite."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred
from zope.interface import implementer

from octavia_tx.driver.options import FLAVOR_DATA, ZONE_DATA, Options
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model.flavor import Terms
from octavia_tx.model.tree import Tree

_FLAVOR = Options(
    FLAVOR_DATA,
    "What flavors may ask of load balancers in memory",
    {
        "memory": {
            "type": "string",
            "enum": ["fast", "slow"],
            "description": "How it is noted: fast or slow.",
        },
        "copies": {"type": "integer", "minimum": 1, "maximum": 9, "description": "How often, an integer from 1 to 9."},
    },
)
_ZONE = Options(
    ZONE_DATA,
    "Where load balancers in memory may be",
    {"bank": {"type": "integer", "minimum": 0, "description": "The memory's bank, an integer from 0."}},
)


def _nothing(tree: Tree, terms: Terms) -> Mapping[str, str]:
    return {}


@implementer(IProviderDriver)
@define
class MemoryProvider:
    """
    Load balancers that are only noted down.

    @ivar provided: what it provides, by the load balancer's id; C{terms}: on which terms.
    @ivar calls: what was asked of it, first to last: C{"provide"}, C{"withdraw"}.
    @ivar ahead: failures that a test has prepared: the calls to come raise them, first to last, and do nothing.
    @ivar silent: what the calls to come wait for, first to last, before they do anything.
    @ivar misses: what C{check} says that a tree misses, as a test has it.
    @ivar judged: the terms on which each C{check} was asked to judge.
    """

    name: str = "memory"
    description: str = "Load balancers in memory."
    amphorae: bool = False
    immediate: bool = False
    provided: dict[str, Tree] = field(factory=dict)
    terms: dict[str, Terms] = field(factory=dict)
    calls: list[str] = field(factory=list)
    ahead: list[BaseException] = field(factory=list)
    silent: list[Deferred[None]] = field(factory=list)
    misses: Callable[[Tree, Terms], Mapping[str, str]] = _nothing
    judged: list[Terms] = field(factory=list)
    flavor_schema: Mapping[str, Any] = _FLAVOR.schema
    availability_zone_schema: Mapping[str, Any] = _ZONE.schema

    async def validate_flavor(self, data: Mapping[str, Any]) -> None:
        """See L{IProviderDriver.validate_flavor}."""
        await self._befall()
        _FLAVOR.judge(data)

    async def validate_availability_zone(self, data: Mapping[str, Any]) -> None:
        """See L{IProviderDriver.validate_availability_zone}."""
        await self._befall()
        _ZONE.judge(data)

    async def check(self, tree: Tree, terms: Terms) -> Mapping[str, str]:
        """See L{IProviderDriver.check}. Everything could be, but for what a test has prepared."""
        await self._befall()
        self.judged.append(terms)
        return self.misses(tree, terms)

    async def provide(self, tree: Tree, terms: Terms) -> None:
        """See L{IProviderDriver.provide}."""
        self.calls.append("provide")
        await self._befall()
        load_balancer = tree.load_balancer
        before = self.provided.get(load_balancer.id)
        if before is None or before.load_balancer.revision <= load_balancer.revision:
            self.provided[load_balancer.id] = tree
            self.terms[load_balancer.id] = terms

    async def withdraw(self, load_balancer_id: str) -> None:
        """See L{IProviderDriver.withdraw}."""
        self.calls.append("withdraw")
        await self._befall()
        self.provided.pop(load_balancer_id, None)
        self.terms.pop(load_balancer_id, None)

    async def _befall(self) -> None:
        if self.silent:
            await self.silent.pop(0)
        if self.ahead:
            raise self.ahead.pop(0)
