"""What a new load balancer's provider, flavor and availability zone mean together."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from octavia_tx.api.call import Call
from octavia_tx.errors import ReferenceMissing
from octavia_tx.model.statuses import Topology


@frozen(kw_only=True)
class Choice:
    """
    @ivar provider: the name of who provides the load balancer.
    @ivar topology: how many amphorae serve it.
    """

    provider: str
    topology: Topology


async def choose(call: Call, values: dict[str, Any]) -> Choice:
    """
    Hold together what a request for a load balancer names.

    @raise InvalidInput: a provider that isn't there.
    @raise ReferenceMissing: a flavor or zone that isn't there.
    """
    providers = call.parts.providers
    provider = providers.known(values["provider"] or providers.default, "loadbalancer.provider")
    if values["flavor_id"] is not None:
        raise ReferenceMissing("loadbalancer.flavor_id", "Flavor", values["flavor_id"])
    if values["availability_zone"] is not None:
        raise ReferenceMissing("loadbalancer.availability_zone", "Availability zone", values["availability_zone"])
    return Choice(provider=provider, topology=Topology.SINGLE)
