"""The providers by name."""

from __future__ import annotations

from collections.abc import Mapping

from attrs import frozen
from zope.interface import implementer

from octavia_tx.errors import CloudError, InvalidInput
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.tree import Tree


@implementer(IProviderDriver)
@frozen
class Alias:
    """A provider under a further name."""

    name: str
    description: str
    provider: IProviderDriver

    @property
    def amphorae(self) -> bool:
        """See L{IProviderDriver}, as for all of these."""
        return self.provider.amphorae

    async def check(self, tree: Tree) -> Mapping[str, str]:
        return await self.provider.check(tree)

    async def provide(self, tree: Tree) -> None:
        await self.provider.provide(tree)

    async def withdraw(self, load_balancer_id: str) -> None:
        await self.provider.withdraw(load_balancer_id)


class Providers:
    """
    Those who provide load balancers.

    @ivar default: the name of the first given, for requests that name none.
    """

    def __init__(self, providers: tuple[IProviderDriver, ...]) -> None:
        self._providers = {p.name: p for p in providers}
        self.default = providers[0].name
        amphora = self._providers.get("amphora")
        if amphora is not None:
            alias = Alias("octavia", "Deprecated alias of the Octavia Amphora driver.", amphora)
            self._providers.setdefault(alias.name, alias)

    def descriptions(self) -> tuple[tuple[str, str], ...]:
        """Each provider's name and description."""
        return tuple((p.name, p.description) for p in self._providers.values())

    def known(self, name: str, where: str) -> str:
        """
        The name, if it is a provider's.

        @raise InvalidInput: it isn't.
        """
        if name not in self._providers:
            raise InvalidInput(where, name, f"one of {', '.join(self._providers)}")
        return name

    async def check(self, load_balancer: LoadBalancer, tree: Tree) -> Mapping[str, str]:
        """
        Ask a load balancer's provider whether it could provide a tree; see L{IProviderDriver.check}.

        A name that isn't known any more was known when the load balancer was made; nobody is left to object then.
        """
        provider = self._providers.get(load_balancer.provider)
        return {} if provider is None else await provider.check(tree)

    def enabled(self, name: str) -> IProviderDriver:
        """
        The provider of a load balancer that exists.

        @raise CloudError: it isn't enabled any more.
        """
        provider = self._providers.get(name)
        if provider is None:
            raise CloudError(f"Provider {name!r} isn't enabled. Enabled: {', '.join(self._providers)}.")
        return provider
