"""Where tenants may have load balancers: C{availabilityzones}."""

from __future__ import annotations

from octavia_tx.api.catalogue import Catalogue
from octavia_tx.api.codec import Encoder, Field, Fields
from octavia_tx.api.filters import ORDERED
from octavia_tx.api.resource import Resource
from octavia_tx.api.types import Flag, Grammar, Text, Uuid
from octavia_tx.db import flavors
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import ReferenceMissing
from octavia_tx.model.flavor import AvailabilityZone

# It stands in paths.
_NAME = Grammar(
    "a name of 1 to 255 characters, without / and control characters", r"[^/\x00-\x1f\x7f-\x9f\ud800-\udfff]+"
)

FIELDS = Fields(
    "availability_zone",
    (
        Field("availability_zone_profile_id", Uuid(), required=True, change=False),
        Field("description", Text(lines=True), default=""),
        Field("enabled", Flag(), default=True),
        Field("name", _NAME, required=True, change=False),
    ),
)

RESOURCE = Resource(
    name="availability_zone",
    plural="availability_zones",
    kind="Availability zone",
    path="availabilityzones",
    key="name",
    encode=Encoder("availability_zone_profile_id", "description", "enabled", "name"),
    rows=flavors.zones,
    fields=FIELDS,
    owned=False,
    further=ORDERED,
)


async def _allow(tx: Transaction, before: AvailabilityZone | None, zone: AvailabilityZone) -> None:
    """A zone keeps its profile, which has to be there."""
    identifier = zone.availability_zone_profile_id
    if before is None and await flavors.zone_profiles.get(tx, identifier) is None:
        field = "availability_zone.availability_zone_profile_id"
        raise ReferenceMissing(field, "Availability zone profile", identifier)


ROUTES = Catalogue(RESOURCE, _allow).routes()
