"""The providers by name, and the one place where what they say, or how they fail, becomes ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar

from attrs import frozen
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from octavia_tx.driver.answers import in_time, incomplete
from octavia_tx.errors import CloudError, DriverError, IncompatibleConfiguration, InvalidInput, OutOfResources
from octavia_tx.interfaces import IProviderDriver
from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.tree import Tree

TIMEOUT: Final = 10.0
PATIENCE: Final = 60.0

_Result = TypeVar("_Result")

# How a provider's refusal begins; the narrower class first.
_SAYS: Final[Mapping[type[DriverError], str]] = {
    IncompatibleConfiguration: "does not support a requested option",
    OutOfResources: "has no room for this now",
    DriverError: "reports error",
}


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

    @property
    def immediate(self) -> bool:
        return self.provider.immediate

    @property
    def flavor_schema(self) -> Mapping[str, Any]:
        return self.provider.flavor_schema

    @property
    def availability_zone_schema(self) -> Mapping[str, Any]:
        return self.provider.availability_zone_schema

    async def validate_flavor(self, data: Mapping[str, Any]) -> None:
        await self.provider.validate_flavor(data)

    async def validate_availability_zone(self, data: Mapping[str, Any]) -> None:
        await self.provider.validate_availability_zone(data)

    async def check(self, tree: Tree, terms: Terms) -> Mapping[str, str]:
        return await self.provider.check(tree, terms)

    async def provide(self, tree: Tree, terms: Terms) -> None:
        await self.provider.provide(tree, terms)

    async def withdraw(self, load_balancer_id: str) -> None:
        await self.provider.withdraw(load_balancer_id)


def octavia(amphora: IProviderDriver) -> Alias:
    """The other name by which clients know the provider C{amphora}."""
    return Alias("octavia", "Deprecated alias of the Octavia Amphora driver.", amphora)


class Providers:
    """
    Those who provide load balancers.

    @ivar default: for requests that name none.
    @param default: its name; C{None}: the first one's.
    @param timeout: seconds in which one has to answer the API; C{patience}: in which it has to do what it provides.
    @param descriptions: sentences that take the place of the providers' own, by name.
    @param aliased: whether C{amphora} is known as C{octavia} too.
    """

    log = Logger()

    def __init__(
        self,
        providers: tuple[IProviderDriver, ...],
        clock: IReactorTime,
        *,
        timeout: float = TIMEOUT,
        patience: float = PATIENCE,
        default: str | None = None,
        descriptions: Mapping[str, str] | None = None,
        aliased: bool = True,
    ) -> None:
        self._clock = clock
        self._timeout = timeout
        self._patience = patience
        self._providers = {p.name: p for p in providers}
        if aliased and "amphora" in self._providers:
            alias = octavia(self._providers["amphora"])
            self._providers.setdefault(alias.name, alias)
        self._descriptions = descriptions or {}
        self.default = self.known(default or providers[0].name, "providers.default")

    def descriptions(self) -> tuple[tuple[str, str], ...]:
        """Each provider's name and description."""
        return tuple((name, self._descriptions.get(name) or p.description) for name, p in self._providers.items())

    def known(self, name: str, where: str) -> str:
        """
        The name, if it is a provider's.

        @raise InvalidInput: it isn't.
        """
        if name not in self._providers:
            raise InvalidInput(where, name, f"one of {', '.join(self._providers)}")
        return name

    def same(self, one: str, other: str) -> bool:
        """Whether two names mean the same provider."""
        return one == other or ({one, other} <= self._providers.keys() and self._behind(one) is self._behind(other))

    def _behind(self, name: str) -> IProviderDriver:
        provider = self._providers[name]
        return provider.provider if isinstance(provider, Alias) else provider

    def flavor_capabilities(self, name: str) -> tuple[tuple[str, str], ...]:
        """
        Each option that a provider's flavors may have, and what it means.

        @raise InvalidInput: there's no such provider.
        """
        return _described(self._providers[self.known(name, "provider")].flavor_schema)

    def zone_capabilities(self, name: str) -> tuple[tuple[str, str], ...]:
        """The same of its availability zones."""
        return _described(self._providers[self.known(name, "provider")].availability_zone_schema)

    async def validate_flavor(self, name: str, data: Mapping[str, Any]) -> None:
        """
        Ask a provider whether a flavor may be so; see L{IProviderDriver.validate_flavor}, also for what it raises.

        @raise DriverError: another sort of failure of the provider.
        """
        await self._asked(name, lambda: self._providers[name].validate_flavor(data))

    async def validate_zone(self, name: str, data: Mapping[str, Any]) -> None:
        """The same of an availability zone."""
        await self._asked(name, lambda: self._providers[name].validate_availability_zone(data))

    async def check(self, load_balancer: LoadBalancer, tree: Tree, terms: Terms) -> Mapping[str, str]:
        """
        Ask a load balancer's provider whether it could provide a tree; see L{IProviderDriver.check}.

        A name that isn't known any more was known when the load balancer was made; nobody is left to object then.
        """
        provider = self._providers.get(load_balancer.provider)
        if provider is None:
            return {}

        async def asking() -> Mapping[str, str]:
            return incomplete(tree, await provider.check(tree, terms))

        return await self._asked(load_balancer.provider, asking)

    async def provide(self, name: str, tree: Tree, terms: Terms) -> None:
        """
        Have a provider serve a tree; see L{IProviderDriver.provide}, also for what it raises.

        @raise CloudError: it isn't enabled any more.
        @raise DriverError: another sort of failure of the provider.
        """
        provider = self.enabled(name)
        await self._asked(name, lambda: provider.provide(tree, terms), self._patience)

    async def withdraw(self, name: str, load_balancer_id: str) -> None:
        """Have a provider forget a load balancer; see L{IProviderDriver.withdraw}. Raises what L{provide} raises."""
        provider = self.enabled(name)
        await self._asked(name, lambda: provider.withdraw(load_balancer_id), self._patience)

    async def _asked(
        self, name: str, asking: Callable[[], Awaitable[_Result]], seconds: float | None = None
    ) -> _Result:
        """What a provider answers. Its refusals get its name, and whatever else befalls it is its own error."""
        try:
            return await in_time(self._clock, seconds or self._timeout, asking)
        except (InvalidInput, CancelledError):  # the latter: whoever asked doesn't want to know any more
            raise
        except CloudError as error:
            raise CloudError(str(error)) from error
        except DriverError as error:
            kind = next(kind for kind in _SAYS if isinstance(error, kind))
            raise kind(f"Provider {name!r} {_SAYS[kind]}: {error}") from error
        except BaseException as error:  # noqa: BLE001  the boundary: third parties' code may fail in any way
            self.log.failure("Provider {name} broke", name=name)
            raise DriverError(f"Provider {name!r} reports error: it broke; the log has the details.") from error

    def immediate(self, name: str) -> bool:
        """Whether that provider answers L{check} at once; one that isn't known isn't asked at all."""
        provider = self._providers.get(name)
        return provider is None or provider.immediate

    def enabled(self, name: str) -> IProviderDriver:
        """
        The provider of a load balancer that exists.

        @raise CloudError: it isn't enabled any more.
        """
        provider = self._providers.get(name)
        if provider is None:
            raise CloudError(f"Provider {name!r} isn't enabled. Enabled: {', '.join(self._providers)}.")
        return provider


def _described(schema: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((name, str(known.get("description", ""))) for name, known in schema.get("properties", {}).items())
