"""What a new load balancer's provider, flavor and availability zone mean together."""

from __future__ import annotations

from typing import Any

from attrs import field, frozen

from octavia_tx.api.call import Call
from octavia_tx.db import flavors
from octavia_tx.db.transaction import Transaction
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import InvalidInput, ReferenceMissing
from octavia_tx.model.flavor import AvailabilityZoneProfile, FlavorProfile, Terms, options
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.statuses import Topology

_FLAVOR = "loadbalancer.flavor_id"
_ZONE = "loadbalancer.availability_zone"


@frozen(kw_only=True)
class Choice:
    """
    @ivar provider: the name of who provides the load balancer.
    @ivar topology: how many amphorae serve it.
    @ivar terms: what the flavor and the zone ask of the provider.
    """

    provider: str
    topology: Topology = Topology.SINGLE
    terms: Terms = field(factory=Terms)

    def permit(self, load_balancer: LoadBalancer) -> None:
        """
        Hold the load balancer's network against those that its zone has VIPs on.

        @raise InvalidInput: it isn't one of them, or isn't told.
        """
        networks = self.terms.zone.get("valid_vip_networks")
        if not isinstance(networks, list) or not networks:
            return
        if (load_balancer.vip_network_id or "") not in {str(network).lower() for network in networks}:
            zone = load_balancer.availability_zone
            accepted = f"a network that zone {zone!r} has VIPs on: {', '.join(map(str, networks))}"
            raise InvalidInput("loadbalancer.vip_network_id", load_balancer.vip_network_id, accepted)


async def choose(call: Call, values: dict[str, Any]) -> Choice:
    """
    Hold together what a request for a load balancer names. A provider that isn't named is the flavor's, else the
    zone's, else the usual one.

    @raise InvalidInput: a provider that isn't there, a flavor or zone that is another's or disabled.
    @raise ReferenceMissing: a flavor or zone that isn't there.
    """
    providers = call.parts.providers
    flavor_id, name, named = values["flavor_id"], values["availability_zone"], values["provider"]
    if named is not None:
        providers.known(named, "loadbalancer.provider")
    if flavor_id is None and name is None:
        return Choice(provider=named or providers.default)
    async with call.parts.database.transaction(read_only=True) as tx:
        flavor = None if flavor_id is None else await _flavor(tx, flavor_id)
        zone = None if name is None else await _zone(tx, name)
    provider = named
    if flavor is not None:
        provider = _agreed(providers, provider, flavor.provider_name, _FLAVOR, flavor_id)
    if zone is not None:
        provider = _agreed(providers, provider, zone.provider_name, _ZONE, name)
    terms = Terms(
        {} if flavor is None else options(flavor.flavor_data, _FLAVOR),
        {} if zone is None else options(zone.availability_zone_data, _ZONE),
    )
    provider = provider or providers.default
    asked = terms.flavor.get("loadbalancer_topology") if providers.enabled(provider).amphorae else None
    return Choice(provider=provider, topology=Topology(asked or Topology.SINGLE), terms=terms)


async def _flavor(tx: Transaction, identifier: str) -> FlavorProfile:
    """The profile of a flavor that new load balancers may be of."""
    flavor = await flavors.flavors.get(tx, identifier)
    profile = None if flavor is None else await flavors.flavor_profiles.get(tx, flavor.flavor_profile_id)
    if flavor is None or profile is None:
        raise ReferenceMissing(_FLAVOR, "Flavor", identifier)
    if not flavor.enabled:
        raise InvalidInput(_FLAVOR, identifier, "a flavor that is enabled")
    return profile


async def _zone(tx: Transaction, name: str) -> AvailabilityZoneProfile:
    """The same of an availability zone."""
    zone = await flavors.zones.named(tx, name)
    profile = None if zone is None else await flavors.zone_profiles.get(tx, zone.availability_zone_profile_id)
    if zone is None or profile is None:
        raise ReferenceMissing(_ZONE, "Availability zone", name)
    if not zone.enabled:
        raise InvalidInput(_ZONE, name, "an availability zone that is enabled")
    return profile


def _agreed(providers: Providers, chosen: str | None, its: str, where: str, given: str) -> str:
    """
    The provider that is chosen so far, if this is of the same; its own, if none is chosen.

    @raise InvalidInput: it is another's.
    """
    if chosen is None:
        return providers.known(its, f"{where} (its profile's provider)")
    if not providers.same(chosen, its):
        raise InvalidInput(where, given, f"one of provider {chosen!r}; this is one of {its!r}")
    return chosen
