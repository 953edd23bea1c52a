"""What flavors mean to their providers: C{flavorprofiles}."""

from __future__ import annotations

from octavia_tx.api.codec import Encoder, Field, Fields
from octavia_tx.api.filters import ORDERED
from octavia_tx.api.profiles import Profiles
from octavia_tx.api.resource import Resource
from octavia_tx.api.types import Text
from octavia_tx.db import flavors
from octavia_tx.db.selection import Order
from octavia_tx.driver.registry import Providers

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
    order=(Order("id"),),
)


ROUTES = Profiles(
    resource=RESOURCE,
    data="flavor_data",
    validate=Providers.validate_flavor,
    users=flavors.flavors,
    names="flavor_profile_id",
    user="a flavor",
).routes()
