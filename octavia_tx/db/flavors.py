"""Flavors, availability zones and their profiles, and what a load balancer's mean to its provider."""

from __future__ import annotations

import json

from octavia_tx.db.repository import Repository
from octavia_tx.db.selection import where
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.flavor import AvailabilityZone, AvailabilityZoneProfile, Flavor, FlavorProfile, Terms
from octavia_tx.model.resources import LoadBalancer


class _ByName(Repository[AvailabilityZone]):
    """Zones, which are known by their names."""

    async def named(self, tx: Transaction, name: str) -> AvailabilityZone | None:
        """One by its name."""
        found = () if "\0" in name else await self.select(tx, where(name=name))
        return found[0] if found else None

    async def get(self, tx: Transaction, id: str) -> AvailabilityZone | None:
        """One by its name; by its id, where no name is spelled so."""
        return await self.named(tx, id) or await super().get(tx, id)


flavors = Repository("flavor", Flavor, keeps=frozenset({"flavor_profile_id"}))
flavor_profiles = Repository("flavor_profile", FlavorProfile)
zones = _ByName("availability_zone", AvailabilityZone, keeps=frozenset({"name", "availability_zone_profile_id"}))
zone_profiles = Repository("availability_zone_profile", AvailabilityZoneProfile)


async def terms(tx: Transaction, load_balancer: LoadBalancer) -> Terms:
    """What a load balancer's flavor and zone ask of its provider; nothing is read where it has neither."""
    if load_balancer.flavor_id is None and load_balancer.availability_zone is None:
        return Terms()
    (found,) = await tx.fetch("flavor.terms", flavor=load_balancer.flavor_id, zone=load_balancer.availability_zone)
    return Terms(*(json.loads(found[kind] or "{}") for kind in ("flavor", "zone")))
