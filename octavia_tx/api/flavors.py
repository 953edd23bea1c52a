"""What tenants may choose for a new load balancer: C{flavors}."""

from __future__ import annotations

from octavia_tx.api.catalogue import Catalogue
from octavia_tx.api.codec import Encoder, Field, Fields
from octavia_tx.api.filters import ORDERED
from octavia_tx.api.resource import Resource
from octavia_tx.api.types import Flag, Text, Uuid
from octavia_tx.db import flavors
from octavia_tx.db.selection import Order
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import ReferenceMissing
from octavia_tx.model.flavor import Flavor

FIELDS = Fields(
    "flavor",
    (
        Field("description", Text(lines=True), default=""),
        Field("enabled", Flag(), default=True),
        Field("flavor_profile_id", Uuid(), required=True, change=False),
        Field("name", Text(), required=True),
    ),
)

RESOURCE = Resource(
    name="flavor",
    plural="flavors",
    kind="Flavor",
    path="flavors",
    encode=Encoder("description", "enabled", "flavor_profile_id", "id", "name"),
    rows=flavors.flavors,
    fields=FIELDS,
    owned=False,
    further=ORDERED,
    order=(Order("id"),),
)


async def _allow(tx: Transaction, before: Flavor | None, flavor: Flavor) -> None:
    """A flavor keeps its profile, which has to be there."""
    if before is None and await flavors.flavor_profiles.get(tx, flavor.flavor_profile_id) is None:
        raise ReferenceMissing("flavor.flavor_profile_id", "Flavor profile", flavor.flavor_profile_id)


ROUTES = Catalogue(RESOURCE, _allow).routes()
