"""Listeners: C{listeners}."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from octavia_tx.api import changes, pools, query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, Nested, instant, reference
from octavia_tx.api.resource import Resource, Route
from octavia_tx.api.stats import statistics_of
from octavia_tx.api.subnets import Subnets
from octavia_tx.api.trees import Planter, PoolName, PoolTree
from octavia_tx.api.types import CIPHERS, Absent, Cidr, Flag, Integer, ListOf, OneOf, Switches, Text, Uuid
from octavia_tx.db import listeners, statistics
from octavia_tx.db import pools as pool_rows
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import InvalidInput, MissingField, ParentNotFound
from octavia_tx.model import validation
from octavia_tx.model.resources import Listener, LoadBalancer, Pool
from octavia_tx.model.statuses import ClientAuthentication, Protocol
from octavia_tx.model.tree import Tree

_MILLISECONDS = Integer(0, 2073600000)


class _PoolOrName:
    """A new pool, or only the name of one that stands elsewhere in a full tree."""

    accepted = "an object that describes a pool, or has its name alone"

    def decode(self, given: Any, where: str) -> Any:
        if isinstance(given, dict) and given.keys() == {"name"}:
            return PoolName(Text().decode(given["name"], f"{where}.name"))
        return Nested(pools.FIELDS).decode(given, where)


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
        Field("default_pool", _PoolOrName(), change=False),
        Field("default_pool_id", Uuid()),
        Field("default_tls_container_ref", Text()),
        Field("description", Text(lines=True), default=""),
        Field("hsts_include_subdomains", Flag(), default=False),
        Field("hsts_max_age", Integer(0)),
        Field("hsts_preload", Flag(), default=False),
        Field("insert_headers", Switches((*validation.FORWARDED_HEADERS, *validation.CERTIFICATE_HEADERS)), default={}),
        Field("l7policies", Absent("an empty list: L7 policies aren't available"), default=(), change=False),
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
    l7policies=lambda listener: [],
    loadbalancers=reference("load_balancer_id"),
    tenant_id=lambda listener: listener.project_id,
    updated_at=instant("updated_at"),
)


async def _find(tx: Transaction, call: Call, project_id: str | None) -> tuple[Listener, ...]:
    return await listeners.find(tx, project_id=project_id)


RESOURCE = Resource(
    "listener",
    "listeners",
    "Listener",
    _encode,
    listeners.get,
    _find,
    {"loadbalancer_id": "load_balancer_id", "load_balancer_id": "load_balancer_id"},
)


async def _foresee(call: Call, load_balancer: LoadBalancer, tree: Tree) -> None:
    """Ranges fit the VIP, whose version may be known from its subnet alone."""
    for listener in tree.listeners:
        if listener.allowed_cidrs:
            identifier = None if load_balancer.vip_address else load_balancer.vip_subnet_id
            subnet = None if identifier is None else await call.parts.network.subnet(identifier)
            validation.check_allowed_cidrs(listener, validation.vip_versions(load_balancer, subnet), "listener")


async def _default_pool(tx: Transaction, call: Call, listener: Listener) -> Pool | None:
    """The pool that a listener shall use from now on, of the same load balancer."""
    if listener.default_pool_id is None:
        return None
    where = "listener.default_pool_id"
    pool = await changes.pool_of(tx, call, listener.default_pool_id, where)
    if pool.load_balancer_id != listener.load_balancer_id:
        raise ParentNotFound(where, "Pool of the same load balancer", pool.id)
    validation.check_default_pool(listener, pool, where)
    return pool


def _new_pool(planter: Planter, listener: Listener, given: Any) -> PoolTree | None:
    """The pool that a new listener brings."""
    if given is None:
        return None
    where = "listener.default_pool"
    if isinstance(given, PoolName):
        raise MissingField(f"{where}.lb_algorithm", "what describes a pool; a name alone is for full trees")
    grown = planter.pool(given, where)
    validation.check_default_pool(listener, grown.pool, f"{where}.protocol")
    return grown


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("listener"))
    if values["default_pool"] is not None and values["default_pool_id"] is not None:
        raise InvalidInput("listener.default_pool", "a pool", "nothing beside default_pool_id")
    if isinstance(values["default_pool"], dict):
        await Subnets(call.parts.network).of_members(values["default_pool"], "listener.default_pool")

    async def draft(tx: Transaction) -> Draft[Listener]:
        load_balancer = await changes.load_balancer_of(tx, call, values["loadbalancer_id"], "listener.loadbalancer_id")
        planter = Planter(load_balancer, call.now())
        listener = planter.listener(values, "listener")
        grown = _new_pool(planter, listener, values["default_pool"])
        pool = await _default_pool(tx, call, listener) if grown is None else grown.pool
        if pool is not None:
            listener = evolve(listener, default_pool_id=pool.id)

        async def write(tx: Transaction) -> None:
            if grown is not None:
                await pools.insert(tx, grown)
            elif pool is not None:
                await pool_rows.update(tx, changes.pending(pool, load_balancer))
            await listeners.insert(tx, listener)

        tree = Tree(
            load_balancer=load_balancer,
            listeners=(listener,),
            pools=(pool,) if pool else (),
            members=grown.members if grown else (),
            health_monitors=(grown.monitor,) if grown and grown.monitor else (),
        )
        return Draft(load_balancer, tree, write, listener)

    made = await changes.carry_out(call, draft, lambda load_balancer, tree: _foresee(call, load_balancer, tree))
    return RESOURCE.answer(made, 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("listener"))

    async def draft(tx: Transaction) -> Draft[Listener]:
        old = changes.staying(await RESOURCE.found(tx, call), RESOURCE.kind)
        load_balancer = await changes.load_balancer_of(tx, call, old.load_balancer_id)
        listener = changes.pending(old, load_balancer, updated_at=call.now(), **values)
        validation.check_listener(listener, "listener")
        pool = await _default_pool(tx, call, listener)

        async def write(tx: Transaction) -> None:
            if pool is not None and listener.default_pool_id != old.default_pool_id:
                await pool_rows.update(tx, changes.pending(pool, load_balancer))
            await listeners.update(tx, listener)

        tree = Tree(load_balancer=load_balancer, listeners=(listener,), pools=(pool,) if pool else ())
        return Draft(load_balancer, tree, write, listener)

    changed = await changes.carry_out(call, draft, lambda load_balancer, tree: _foresee(call, load_balancer, tree))
    return RESOURCE.answer(changed)


async def _delete(call: Call) -> Answer:
    query.only(call.arguments)

    async def write(tx: Transaction, listener: Listener, revision: int) -> None:
        await listeners.delete(tx, listener.id, revision)

    await changes.delete(call, lambda tx: RESOURCE.found(tx, call), write)
    return Answer(204)


ROUTES = (
    Route("GET", "listeners", RESOURCE.list),
    Route("POST", "listeners", _create),
    Route("GET", "listeners/<id>", RESOURCE.show),
    Route("PUT", "listeners/<id>", _change),
    Route("DELETE", "listeners/<id>", _delete),
    Route("GET", "listeners/<id>/stats", statistics_of(RESOURCE.found, statistics.of_listener)),
)
