"""What profiles of flavors and of zones have in common: a provider judges them, and those in use keep their meaning."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from attrs import frozen

from octavia_tx.api.call import Call
from octavia_tx.api.catalogue import Catalogue
from octavia_tx.api.resource import Resource, Route
from octavia_tx.db.repository import Repository
from octavia_tx.db.transaction import Transaction
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import Conflict
from octavia_tx.model.flavor import AvailabilityZoneProfile, FlavorProfile, options

Profile = TypeVar("Profile", FlavorProfile, AvailabilityZoneProfile)


@frozen(kw_only=True)
class Profiles(Generic[Profile]):
    """
    The profiles of one kind.

    @ivar data: the field that holds the provider's options.
    @ivar validate: asks a provider of that name whether its options may be so.
    @ivar users: what names a profile, in its column C{names}; C{user}: one of them, in sentences.
    """

    resource: Resource[Profile]
    data: str
    validate: Callable[[Providers, str, Mapping[str, Any]], Awaitable[None]]
    users: Repository[Any]
    names: str
    user: str

    def routes(self) -> tuple[Route, ...]:
        """The usual ones."""
        return Catalogue(self.resource, self._allow, self._judge).routes()

    def _same(self, before: Profile | None, profile: Profile) -> bool:
        """Whether it means what it meant."""
        return before is not None and all(
            getattr(before, name) == getattr(profile, name) for name in ("provider_name", self.data)
        )

    async def _judge(self, call: Call, before: Profile | None, profile: Profile) -> None:
        """What it means is acceptable to its provider."""
        if not self._same(before, profile):
            name, providers = self.resource.name, call.parts.providers
            provider = providers.known(profile.provider_name, f"{name}.provider_name")
            await self.validate(providers, provider, options(getattr(profile, self.data), f"{name}.{self.data}"))

    async def _allow(self, tx: Transaction, before: Profile | None, profile: Profile) -> None:
        """What users mean doesn't change behind their backs."""
        if before is None or self._same(before, profile):
            return
        if await self.users.find(tx, **{self.names: profile.id}):
            raise Conflict(f"{self.resource.kind} {profile.id} is used by {self.user}; only its name can be changed.")
