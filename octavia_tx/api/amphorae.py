"""Amphorae, for operators: C{amphorae}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.codec import Encoder, Fields, Made, instant, same
from octavia_tx.api.filters import Filter, named, text
from octavia_tx.api.resource import Document, Resource, Route
from octavia_tx.api.shapes import TEXT, UUID, a_list, an_object, nullable, with_keys
from octavia_tx.api.stats import traffic
from octavia_tx.db import amphorae, failover, statistics
from octavia_tx.errors import Conflict, NotFound
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.resources import Statistics
from octavia_tx.model.statuses import AmphoraState

STATUSES: Final[Mapping[AmphoraState, str]] = {
    AmphoraState.REQUESTED: "PENDING_CREATE",
    AmphoraState.BOOTING: "BOOTING",
    AmphoraState.READY: "READY",
    AmphoraState.ALLOCATED: "ALLOCATED",
    AmphoraState.DRAINING: "ALLOCATED",  # it serves until its successor does, and then finishes what it has
    AmphoraState.DELETING: "PENDING_DELETE",
    AmphoraState.DELETED: "DELETED",
    AmphoraState.FAILED: "ERROR",
}
"""What clients call the states of an amphora's life. They know FAILOVER_STOPPED too, which is none of ours."""


def _states(where: str, given: str) -> list[str]:
    return [state for state, status in STATUSES.items() if status == given]


def _nothing(where: str, given: str) -> bool:
    """Whether someone asks for amphorae that haven't what ours never have."""
    return given in ("", "None", "null")


def _never(where: str, given: str) -> bool:
    return given.lower() in ("false", "0", "no", "")


_STATUS = {"type": "string", "enum": [*dict.fromkeys(STATUSES.values())]}
_NOTHING = Made(lambda amphora: None, {"type": "null"})

encode = Encoder(
    "cached_zone",
    "compute_flavor",
    "compute_id",
    "ha_ip",
    "ha_port_id",
    "id",
    "image_id",
    "lb_network_ip",
    "role",
    "vrrp_ip",
    "vrrp_port_id",
    cert_busy=Made(lambda amphora: False, {"const": False}),
    cert_expiration=instant("cert_expiration"),
    created_at=instant("created_at"),
    loadbalancer_id=same("load_balancer_id"),
    status=Made(lambda amphora: STATUSES[amphora.state], _STATUS),
    updated_at=instant("updated_at"),
    vrrp_id=_NOTHING,
    vrrp_interface=_NOTHING,
    vrrp_priority=_NOTHING,
)

RESOURCE: Resource[Amphora] = Resource(
    name="amphora",
    plural="amphorae",
    kind="Amphora",
    path="amphorae",
    encode=encode,
    rows=amphorae.rows,
    fields=Fields("amphora", ()),
    owned=False,
    further={
        "loadbalancer_id": named("load_balancer_id"),
        "load_balancer_id": named("load_balancer_id"),
        "project_id": Filter("load_balancer_id", text, "of_project"),
        "status": Filter("state", _states, "among", sorts=True, told=TEXT, position=text),
        "cert_busy": Filter("id", _never, "holds", told=TEXT),
        "vrrp_id": Filter("id", _nothing, "holds", told=TEXT),
        "vrrp_interface": Filter("id", _nothing, "holds", told=TEXT),
        "vrrp_priority": Filter("id", _nothing, "holds", told=TEXT),
    },
)


async def _served(call: Call) -> str | None:
    """The load balancer that the amphora belongs to, if it belongs to any."""
    async with call.parts.database.transaction(read_only=True) as tx:
        return (await RESOURCE.found(tx, call)).load_balancer_id


async def _delete(call: Call) -> Answer:
    """Have an amphora removed that serves nobody."""
    query.only(call.arguments)
    async with call.writing(await _served(call)) as tx:
        amphora = await RESOURCE.found(tx, call)
        if amphora.state in (AmphoraState.DELETING, AmphoraState.DELETED):
            return Answer(204)
        if amphora.load_balancer_id is not None:
            raise Conflict(
                f"Amphora {amphora.id} belongs to load balancer {amphora.load_balancer_id}. "
                "Have it replaced by another with failover, or delete the load balancer."
            )
        if not await amphorae.change(tx, amphora.id, amphora.state, AmphoraState.DELETING):
            raise Conflict(f"Amphora {amphora.id} is being used for something else just now. Look again.")
    return Answer(204)


async def _stats(call: Call) -> Answer:
    query.only(call.arguments)
    async with call.parts.database.transaction(read_only=True) as tx:
        amphora = await RESOURCE.found(tx, call)
        found = await statistics.of_amphora(tx, amphora.id)
    if not found:
        raise NotFound("Statistics of amphora", amphora.id)
    shown: list[dict[str, Any]] = [
        {
            "id": amphora.id,
            "listener_id": each.listener_id,
            "loadbalancer_id": each.load_balancer_id,
            **traffic(each.statistics),
        }
        for each in found
    ]
    return Answer(200, {"amphora_stats": shown})


async def _failover(call: Call) -> Answer:
    """Have another take its place."""
    query.only(call.arguments)
    async with call.writing(await _served(call)) as tx:
        await RESOURCE.found(tx, call)
        await failover.of_amphora(tx, call.ids["id"])
    return Answer(202)


async def _configure(call: Call) -> Answer:
    """Have its agent given its settings anew."""
    query.only(call.arguments)
    async with call.writing(await _served(call)) as tx:
        amphora = await RESOURCE.found(tx, call)
        await amphorae.renew_settings(tx, amphora.id)
    return Answer(202)


_STATS = Document(
    summary="What an amphora has carried, by listener.",
    shows=an_object(
        amphora_stats=a_list(
            with_keys(traffic.shape(Statistics), id=UUID, listener_id=UUID, loadbalancer_id=nullable(UUID))
        )
    ),
)
ROUTES = (
    *RESOURCE.routes(delete=_delete),
    Route("GET", "amphorae/<id>/stats", _stats, _STATS),
    Route("PUT", "amphorae/<id>/failover", _failover, Document(summary="Replace an amphora.", status=202)),
    Route("PUT", "amphorae/<id>/config", _configure, Document(summary="Renew its agent's settings.", status=202)),
)
