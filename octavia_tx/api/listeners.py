"""Listeners: C{listeners}."""

from __future__ import annotations

from functools import partial
from typing import Any

from attrs import evolve

from octavia_tx.api import certificates, changes, l7policies, pools, query, stats
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, Nested, instant, reference, references, same
from octavia_tx.api.filters import named
from octavia_tx.api.ground import Ground, leaving
from octavia_tx.api.resource import Document, Resource, Route
from octavia_tx.api.subnets import Subnets
from octavia_tx.api.trees import Growing, PoolName, planter
from octavia_tx.api.types import CIPHERS, Cidr, Flag, Integer, ListOf, OneOf, Switches, Text, Uuid
from octavia_tx.db import listeners, statistics
from octavia_tx.errors import InvalidInput, MissingField, ParentNotFound
from octavia_tx.model import tls, validation
from octavia_tx.model.resources import Listener, LoadBalancer, Pool
from octavia_tx.model.statuses import ClientAuthentication, Protocol
from octavia_tx.model.tree import Tree

_MILLISECONDS = Integer(0, 2073600000)


FIELDS = Fields(
    "listener",
    (
        Field("admin_state_up", Flag(), default=True),
        Field("allowed_cidrs", ListOf(Cidr())),
        Field("alpn_protocols", ListOf(pools.ALPN, distinct=True)),
        Field("client_authentication", OneOf(tuple(ClientAuthentication)), default="NONE"),
        Field("client_ca_tls_container_ref", Text()),
        Field("client_crl_container_ref", Text()),
        Field("connection_limit", Integer(-1), default=-1),
        Field("default_pool", pools.OrName(), change=False),
        Field("default_pool_id", Uuid()),
        Field("default_tls_container_ref", Text()),
        Field("description", Text(lines=True), default=""),
        Field("hsts_include_subdomains", Flag(), default=False),
        Field("hsts_max_age", Integer(0)),
        Field("hsts_preload", Flag(), default=False),
        Field("insert_headers", Switches((*validation.FORWARDED_HEADERS, *validation.CERTIFICATE_HEADERS)), default={}),
        Field("l7policies", ListOf(Nested(l7policies.FIELDS)), default=(), change=False),
        Field("loadbalancer_id", Uuid(), required=True, change=False, alone=True),
        Field("name", Text(), default=""),
        Field(
            "protocol",
            OneOf(tuple(p for p in Protocol if p not in (Protocol.PROXY, Protocol.PROXYV2))),
            required=True,
            change=False,
        ),
        Field("protocol_port", Integer(1, 65535), required=True, change=False),
        Field("sni_container_refs", ListOf(Text()), default=()),
        Field("tags", ListOf(Text()), default=()),
        Field("timeout_client_data", _MILLISECONDS, default=50000),
        Field("timeout_member_connect", _MILLISECONDS, default=5000),
        Field("timeout_member_data", _MILLISECONDS, default=50000),
        Field("timeout_tcp_inspect", _MILLISECONDS, default=0),
        Field("tls_ciphers", CIPHERS),
        Field("tls_versions", ListOf(pools.TLS_VERSION, distinct=True)),
        *PROJECT,
    ),
)

_encode = Encoder(
    "admin_state_up",
    "allowed_cidrs",
    "alpn_protocols",
    "client_authentication",
    "client_ca_tls_container_ref",
    "client_crl_container_ref",
    "connection_limit",
    "default_pool_id",
    "default_tls_container_ref",
    "description",
    "hsts_include_subdomains",
    "hsts_max_age",
    "hsts_preload",
    "id",
    "insert_headers",
    "name",
    "operating_status",
    "project_id",
    "protocol",
    "protocol_port",
    "provisioning_status",
    "sni_container_refs",
    "tags",
    "timeout_client_data",
    "timeout_member_connect",
    "timeout_member_data",
    "timeout_tcp_inspect",
    "tls_ciphers",
    "tls_versions",
    created_at=instant("created_at"),
    l7policies=references("l7policy_ids"),
    loadbalancers=reference("load_balancer_id"),
    tenant_id=same("project_id"),
    updated_at=instant("updated_at"),
)


RESOURCE = Resource(
    name="listener",
    plural="listeners",
    kind="Listener",
    path="listeners",
    encode=_encode,
    rows=listeners.rows,
    fields=FIELDS,
    further={"loadbalancer_id": named("load_balancer_id"), "load_balancer_id": named("load_balancer_id")},
)


async def _foresee(call: Call, values: dict[str, Any], load_balancer: LoadBalancer, tree: Tree) -> None:
    """Certificates can be used. Ranges fit the VIP, whose version may be known from its subnet alone."""
    await certificates.check(call, load_balancer, certificates.of_listener(values, "listener"))
    for listener in tree.listeners:
        validation.check_sole_filter(listener, load_balancer, "listener")
        if listener.allowed_cidrs:
            identifier = None if load_balancer.vip_address else load_balancer.vip_subnet_id
            subnet = None if identifier is None else await call.parts.network.subnet(identifier)
            validation.check_allowed_cidrs(listener, validation.vip_versions(load_balancer, subnet), "listener")


async def _default_pool(ground: Ground, listener: Listener) -> Pool | None:
    """The pool that a listener shall use from now on, of the same load balancer."""
    if listener.default_pool_id is None:
        return None
    where = "listener.default_pool_id"
    pool = await ground.pool(listener.default_pool_id, where)
    if pool.load_balancer_id != listener.load_balancer_id:
        raise ParentNotFound(where, "Pool of the same load balancer", pool.id)
    validation.check_default_pool(listener, pool, where)
    return pool


async def _check_pools(call: Call, values: dict[str, Any]) -> None:
    """All that can be told of the pools that a new listener names and brings, before anything is read."""
    given = values["default_pool"]
    if given is not None and values["default_pool_id"] is not None:
        raise InvalidInput("listener.default_pool", "a pool", "nothing beside default_pool_id")
    if isinstance(given, PoolName):
        raise MissingField("listener.default_pool.lb_algorithm", "what describes a pool; names are for full trees")
    await Subnets(call.parts.network).of_listener(values, "listener")


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("listener"))
    call.parts.bounds.check(values, "listener")
    await _check_pools(call, values)

    async def draft(ground: Ground) -> Draft[Listener]:
        load_balancer = await ground.load_balancer(values["loadbalancer_id"], "listener.loadbalancer_id")
        growing = Growing(planter(ground, load_balancer, changes.fresh_ids(call)))
        growing.plant_pools_of(values, "listener")
        made, *below = growing.listener({**values, "default_pool_id": None}, "listener")
        assert isinstance(made, Listener)
        named = evolve(made, default_pool_id=values["default_pool_id"] or made.default_pool_id)
        pool = await _default_pool(ground, named) if values["default_pool_id"] else None
        return Draft(
            load_balancer=load_balancer,
            result=named,
            new=(named, *below, *growing.parts()),
            touched=changes.using(pool),
            beside=(pool,) if pool else (),
        )

    made = await changes.carry_out(call, draft, partial(_foresee, call, values))
    return RESOURCE.answer(made, 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("listener"))
    call.parts.bounds.check(values, "listener")

    async def draft(ground: Ground) -> Draft[Listener]:
        old = ground.staying(await RESOURCE.found(ground.tx, call), RESOURCE.kind)
        ground.expected(old)
        load_balancer = await ground.load_balancer(old.load_balancer_id)
        listener = tls.settled(changes.pending(old, load_balancer, updated_at=call.now(), **values), "listener")
        validation.check_listener(listener, "listener")
        pool = await _default_pool(ground, listener)
        moved = pool if listener.default_pool_id != old.default_pool_id else None
        return Draft(
            load_balancer=load_balancer,
            result=listener,
            changed=(listener,),
            touched=changes.using(moved),
            beside=(pool,) if pool else (),
        )

    changed = await changes.carry_out(call, draft, partial(_foresee, call, values))
    return RESOURCE.answer(changed)


async def _delete(call: Call) -> Answer:
    query.only(call.arguments)

    async def draft(ground: Ground) -> Draft[None]:
        listener = await RESOURCE.found(ground.tx, call)
        load_balancer = await ground.load_balancer(listener.load_balancer_id)
        if leaving(listener):
            return Draft(load_balancer=load_balancer, result=None)
        ground.expected(listener)
        return Draft(load_balancer=load_balancer, result=None, gone=(listener,))

    await changes.delete(call, draft)
    return Answer(204)


_STATS = Document(summary="What a listener has carried.", shows=stats.SHAPE)
ROUTES = (
    *RESOURCE.routes(create=_create, change=_change, delete=_delete),
    Route("GET", "listeners/<id>/stats", stats.statistics_of(RESOURCE.found, statistics.of_listener), _STATS),
)
