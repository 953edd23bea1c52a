"""
What operators offer: flavors, availability zones, and the profiles that say what they mean to a provider.

Field names are the API's and the columns' names, as those of the load balancer's tree.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from octavia_tx.errors import InvalidInput

# Options of flavors that more than one part of the system reads.
LOGS: Final = "logs"
LOG_FORMAT: Final = "log_format"
LOG_TARGETS: Final = "log_targets"


@frozen(kw_only=True)
class FlavorProfile:
    """
    What flavors mean to a provider.

    @ivar flavor_data: a JSON object of options that the provider publishes in its schema.
    """

    id: str
    name: str
    provider_name: str
    flavor_data: str
    created_at: datetime
    updated_at: datetime | None = None


@frozen(kw_only=True)
class Flavor:
    """
    What a tenant may choose for a new load balancer.

    @ivar enabled: whether new load balancers may be of it.
    """

    id: str
    name: str
    description: str = ""
    enabled: bool = True
    flavor_profile_id: str
    created_at: datetime
    updated_at: datetime | None = None


@frozen(kw_only=True)
class AvailabilityZoneProfile:
    """
    What availability zones mean to a provider.

    @ivar availability_zone_data: as a flavor profile's data.
    """

    id: str
    name: str
    provider_name: str
    availability_zone_data: str
    created_at: datetime
    updated_at: datetime | None = None


@frozen(kw_only=True)
class AvailabilityZone:
    """
    Where a load balancer is, by the tenant's choice. Everybody knows it by its name; the id orders lists.

    @ivar enabled: whether new load balancers may be there.
    """

    id: str
    name: str
    description: str = ""
    enabled: bool = True
    availability_zone_profile_id: str
    created_at: datetime
    updated_at: datetime | None = None


@frozen
class Terms:
    """
    What a load balancer's flavor and availability zone ask of its provider.

    @ivar flavor: the options of its flavor's profile; C{zone}: those of its availability zone's. Empty without one.
    """

    flavor: Mapping[str, Any] = field(factory=dict)
    zone: Mapping[str, Any] = field(factory=dict)


def options(text: str, where: str) -> dict[str, Any]:
    """
    The options that a profile's data gives.

    @param where: the field's full name, as in C{flavorprofile.flavor_data}.
    @raise InvalidInput: it isn't a JSON object.
    """
    try:
        given = json.loads(text, parse_constant=_no_such_number, object_pairs_hook=_once)
    except (ValueError, RecursionError):
        given = None
    if not isinstance(given, dict):
        raise InvalidInput(where, text, 'a JSON object as text, such as {"key": "value"}, each key once')
    return given


def _no_such_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a key twice")
    return found
