"""What availability zones mean to their providers: C{availabilityzoneprofiles}."""

from __future__ import annotations

from octavia_tx.api.call import Call
from octavia_tx.api.catalogue import Catalogue
from octavia_tx.api.codec import Encoder, Field, Fields
from octavia_tx.api.filters import ORDERED
from octavia_tx.api.resource import Resource
from octavia_tx.api.types import Text
from octavia_tx.db import flavors
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import Conflict
from octavia_tx.model.flavor import AvailabilityZoneProfile, options

FIELDS = Fields(
    "availability_zone_profile",
    (
        Field("availability_zone_data", Text(4096, lines=True), required=True),
        Field("name", Text(), required=True),
        Field("provider_name", Text(), required=True),
    ),
)

RESOURCE = Resource(
    name="availability_zone_profile",
    plural="availability_zone_profiles",
    kind="Availability zone profile",
    path="availabilityzoneprofiles",
    links="availability_zone_profile_links",
    encode=Encoder("availability_zone_data", "id", "name", "provider_name"),
    rows=flavors.zone_profiles,
    fields=FIELDS,
    owned=False,
    further=ORDERED,
)


def _same(before: AvailabilityZoneProfile | None, profile: AvailabilityZoneProfile) -> bool:
    """Whether it means what it meant."""
    return before is not None and (before.provider_name, before.availability_zone_data) == (
        profile.provider_name,
        profile.availability_zone_data,
    )


async def _judge(call: Call, before: AvailabilityZoneProfile | None, profile: AvailabilityZoneProfile) -> None:
    """What it means is acceptable to its provider."""
    if not _same(before, profile):
        provider = call.parts.providers.known(profile.provider_name, "availability_zone_profile.provider_name")
        given = options(profile.availability_zone_data, "availability_zone_profile.availability_zone_data")
        await call.parts.providers.validate_zone(provider, given)


async def _allow(tx: Transaction, before: AvailabilityZoneProfile | None, profile: AvailabilityZoneProfile) -> None:
    """What availability zones mean doesn't change behind their backs."""
    if before is None or _same(before, profile):
        return
    if await flavors.zones.find(tx, availability_zone_profile_id=profile.id):
        raise Conflict(f"{RESOURCE.kind} {profile.id} is used by a zone; only its name can be changed.")


ROUTES = Catalogue(RESOURCE, _allow, _judge).routes()
