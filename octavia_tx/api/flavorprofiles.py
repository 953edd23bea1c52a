"""What flavors mean to their providers: C{flavorprofiles}."""

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
from octavia_tx.model.flavor import FlavorProfile, options

FIELDS = Fields(
    "flavorprofile",
    (
        Field("flavor_data", Text(4096, lines=True), required=True),
        Field("name", Text(), required=True),
        Field("provider_name", Text(), required=True),
    ),
)

RESOURCE = Resource(
    name="flavorprofile",
    plural="flavorprofiles",
    kind="Flavor profile",
    path="flavorprofiles",
    links="flavorprofile_links",
    encode=Encoder("flavor_data", "id", "name", "provider_name"),
    rows=flavors.flavor_profiles,
    fields=FIELDS,
    owned=False,
    further=ORDERED,
)


def _same(before: FlavorProfile | None, profile: FlavorProfile) -> bool:
    """Whether it means what it meant."""
    return before is not None and (before.provider_name, before.flavor_data) == (
        profile.provider_name,
        profile.flavor_data,
    )


async def _judge(call: Call, before: FlavorProfile | None, profile: FlavorProfile) -> None:
    """What it means is acceptable to its provider."""
    if not _same(before, profile):
        provider = call.parts.providers.known(profile.provider_name, "flavorprofile.provider_name")
        given = options(profile.flavor_data, "flavorprofile.flavor_data")
        await call.parts.providers.validate_flavor(provider, given)


async def _allow(tx: Transaction, before: FlavorProfile | None, profile: FlavorProfile) -> None:
    """What flavors mean doesn't change behind their backs."""
    if before is None or _same(before, profile):
        return
    if await flavors.flavors.find(tx, flavor_profile_id=profile.id):
        raise Conflict(f"{RESOURCE.kind} {profile.id} is used by a flavor; only its name can be changed.")


ROUTES = Catalogue(RESOURCE, _allow, _judge).routes()
