"""What availability zones mean to their providers: C{availabilityzoneprofiles}."""

from __future__ import annotations

from octavia_tx.api.codec import Encoder, Field, Fields
from octavia_tx.api.filters import ORDERED
from octavia_tx.api.profiles import Profiles
from octavia_tx.api.resource import Resource
from octavia_tx.api.types import Text
from octavia_tx.db import flavors
from octavia_tx.driver.registry import Providers

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


ROUTES = Profiles(
    resource=RESOURCE,
    data="availability_zone_data",
    validate=Providers.validate_zone,
    users=flavors.zones,
    names="availability_zone_profile_id",
    user="a zone",
).routes()
