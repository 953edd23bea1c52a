"""Load balancers, alone or with the whole tree in one request: C{loadbalancers}."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from attrs import evolve

from octavia_tx.api import certificates, changes, listeners, pools, query, stats, statuses
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, Nested, instant, parts, references, same
from octavia_tx.api.filters import yes_or_no
from octavia_tx.api.flavor_choice import choose
from octavia_tx.api.ground import Ground, leaving
from octavia_tx.api.resource import Document, Resource, Route
from octavia_tx.api.schemas import nested
from octavia_tx.api.subnets import Subnets
from octavia_tx.api.trees import Planter, full_tree
from octavia_tx.api.types import Address, Flag, ListOf, Text, Uuid
from octavia_tx.db import failover, load_balancers, statistics
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import NotFound, RequestError
from octavia_tx.model import validation
from octavia_tx.model.amphora import Subnet
from octavia_tx.model.flavor import Terms
from octavia_tx.model.references import Reference
from octavia_tx.model.resources import AdditionalVip, LoadBalancer

_ADDITIONAL_VIP = Fields(
    "additional_vip",
    (Field("subnet_id", Uuid()), Field("ip_address", Address()), Field("port_id", Uuid())),
)


class _FurtherVip:
    """A further front-end address."""

    accepted = "an object with subnet_id, ip_address or port_id"
    fields = _ADDITIONAL_VIP
    schema = nested(_ADDITIONAL_VIP)

    def decode(self, given: Any, where: str) -> AdditionalVip:
        return AdditionalVip(**_ADDITIONAL_VIP.create(given, where))


FIELDS = Fields(
    "loadbalancer",
    (
        Field("additional_vips", ListOf(_FurtherVip()), default=(), change=False),
        Field("admin_state_up", Flag(), default=True),
        Field("availability_zone", Text(), change=False),
        Field("description", Text(lines=True), default=""),
        Field("flavor_id", Uuid(), change=False),
        Field("listeners", ListOf(Nested(listeners.FIELDS)), default=(), change=False),
        Field("name", Text(), default=""),
        Field("pools", ListOf(Nested(pools.FIELDS)), default=(), change=False),
        Field("provider", Text(64), change=False),
        Field("tags", ListOf(Text()), default=()),
        Field("vip_address", Address(), change=False),
        Field("vip_network_id", Uuid(), change=False),
        Field("vip_port_id", Uuid(), change=False),
        Field("vip_qos_policy_id", Uuid()),
        Field("vip_sg_ids", ListOf(Uuid(), distinct=True), default=()),
        Field("vip_subnet_id", Uuid(), change=False),
        *PROJECT,
    ),
)

_encode = Encoder(
    "admin_state_up",
    "availability_zone",
    "description",
    "flavor_id",
    "id",
    "name",
    "operating_status",
    "project_id",
    "provider",
    "provisioning_status",
    "tags",
    "vip_address",
    "vip_network_id",
    "vip_port_id",
    "vip_qos_policy_id",
    "vip_sg_ids",
    "vip_subnet_id",
    "vip_vnic_type",
    additional_vips=parts("additional_vips"),
    created_at=instant("created_at"),
    listeners=references("listener_ids"),
    pools=references("pool_ids"),
    tenant_id=same("project_id"),
    updated_at=instant("updated_at"),
)


RESOURCE = Resource(
    name="loadbalancer",
    plural="loadbalancers",
    kind="Load balancer",
    path="loadbalancers",
    encode=_encode,
    rows=load_balancers.rows,
    fields=FIELDS,
)


async def _described(call: Call, values: dict[str, Any], identifier: str) -> tuple[LoadBalancer, Subnet | None, Terms]:
    """The load balancer itself, with what others know of its provider, flavor, zone and network."""
    project_id = call.project(values["project_id"], "loadbalancer")
    choice = await choose(call, values)
    own = {name: value for name, value in values.items() if name not in ("listeners", "pools")}
    own |= {"provider": choice.provider, "topology": choice.topology, "project_id": project_id}
    asked = LoadBalancer(id=identifier, created_at=call.now(), **own)
    load_balancer, subnet = await Subnets(call.parts.network).front_end(asked, "loadbalancer")
    choice.permit(load_balancer)
    return load_balancer, subnet, choice.terms


async def _check_subnets(call: Call, values: dict[str, Any]) -> None:
    """All members' subnets are there."""
    subnets = Subnets(call.parts.network)
    for at, pool in enumerate(values["pools"]):
        await subnets.of_members(pool, f"loadbalancer.pools[{at}]")
    for at, listener in enumerate(values["listeners"]):
        await subnets.of_listener(listener, f"loadbalancer.listeners[{at}]")


def _references(values: dict[str, Any]) -> Iterator[Reference]:
    for at, pool in enumerate(values["pools"]):
        yield from certificates.of_pool(pool, f"loadbalancer.pools[{at}]")
    for at, listener in enumerate(values["listeners"]):
        yield from certificates.of_listener(listener, f"loadbalancer.listeners[{at}]")


async def _create(call: Call) -> Answer:
    """All or nothing: the load balancer, and its tree if it is given."""
    query.only(call.arguments)
    values = FIELDS.create(call.given("loadbalancer"))
    call.parts.bounds.check(values, "loadbalancer")
    fresh = changes.fresh_ids(call)
    load_balancer, subnet, terms = await _described(call, values, next(fresh))
    await _check_subnets(call, values)
    tree = full_tree(values, Planter(load_balancer, call.now(), fresh))
    versions = validation.vip_versions(load_balancer, subnet)
    for at, listener in enumerate(tree.listeners):
        validation.check_sole_filter(listener, load_balancer, f"loadbalancer.listeners[{at}]")
        validation.check_allowed_cidrs(listener, versions, f"loadbalancer.listeners[{at}]")
    await certificates.check(call, load_balancer, _references(values))
    return RESOURCE.answer(await changes.plant(call, tree, terms), 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("loadbalancer"))

    async def draft(ground: Ground) -> Draft[LoadBalancer]:
        old = await RESOURCE.found(ground.tx, call)
        ground.expected(old)
        load_balancer = evolve(old, **values)
        return Draft(load_balancer=load_balancer, result=load_balancer)

    return RESOURCE.answer(await changes.carry_out(call, draft))


async def _delete(call: Call) -> Answer:
    """Ask for the end of a load balancer; of one that has children only with C{cascade}."""
    arguments = query.only(call.arguments, "cascade")
    cascade = yes_or_no("cascade", arguments.get("cascade", "false"))
    async with call.writing(call.ids["id"]) as tx:
        load_balancer = await RESOURCE.found(tx, call)
        if not leaving(load_balancer):
            await load_balancers.lock(tx, [load_balancer.id])
            load_balancer = await RESOURCE.found(tx, call)
        if leaving(load_balancer):
            return Answer(204)
        Ground(tx, call).expected(load_balancer)
        if not cascade:
            await _check_childless(tx, load_balancer.id)
        await load_balancers.delete(tx, load_balancer.id)
    return Answer(204)


async def _check_childless(tx: Transaction, identifier: str) -> None:
    tree = await load_balancers.tree(tx, identifier)
    if tree is None:
        raise NotFound(RESOURCE.kind, identifier)
    there = [sum(not leaving(value) for value in values) for values in (tree.listeners, tree.pools)]
    if any(there):
        raise RequestError(
            f"Load balancer {identifier} has listeners ({there[0]}) or pools ({there[1]}). "
            "Delete them first, or give cascade=true to delete all at once."
        )


async def _failover(call: Call) -> Answer:
    """Have other amphorae take the place of those that serve it."""
    query.only(call.arguments)
    async with call.writing(call.ids["id"]) as tx:
        load_balancer = await RESOURCE.found(tx, call)
        locked = await failover.of_load_balancer(tx, load_balancer.id)
        Ground(tx, call, locked).expected(locked)
    return Answer(202)


async def _statuses(call: Call) -> Answer:
    query.only(call.arguments)
    async with call.parts.database.transaction(read_only=True) as tx:
        load_balancer = await RESOURCE.found(tx, call)
        tree = await load_balancers.tree(tx, load_balancer.id)
    if tree is None:
        raise NotFound(RESOURCE.kind, load_balancer.id)
    return Answer(200, statuses.status_tree(tree))


_STATUSES = Document(summary="Both statuses of a load balancer and all that hangs on it.", shows=statuses.SHAPE)
_FAILOVER = Document(summary="Replace a load balancer's amphorae.", status=202)
_STATS = Document(summary="What a load balancer's listeners have carried.", shows=stats.SHAPE)
ROUTES = (
    *RESOURCE.routes(create=_create, change=_change, delete=_delete, deleting={"cascade": yes_or_no}),
    Route("GET", "loadbalancers/<id>/status", _statuses, _STATUSES),
    Route("GET", "loadbalancers/<id>/statuses", _statuses, _STATUSES),
    Route("PUT", "loadbalancers/<id>/failover", _failover, _FAILOVER),
    Route("GET", "loadbalancers/<id>/stats", stats.statistics_of(RESOURCE.found, statistics.of_load_balancer), _STATS),
)
