"""Pools: C{pools}."""

from __future__ import annotations

from typing import Any

from attrs import asdict, evolve

from octavia_tx.api import changes, healthmonitors, members, query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, Nested, instant, reference, references
from octavia_tx.api.resource import Resource, Route
from octavia_tx.api.subnets import Subnets
from octavia_tx.api.trees import Planter, PoolTree
from octavia_tx.api.types import CIPHERS, COOKIE_NAME, Flag, Integer, ListOf, Netmask, OneOf, Text, Uuid
from octavia_tx.db import health_monitors, listeners, pools
from octavia_tx.db import members as member_rows
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import Conflict, InvalidInput, MissingField
from octavia_tx.model import validation
from octavia_tx.model.resources import Listener, LoadBalancer, Pool, SessionPersistence
from octavia_tx.model.statuses import Algorithm, Persistence, Protocol
from octavia_tx.model.tree import Tree

ALPN = OneOf(("http/1.0", "http/1.1", "h2"))
TLS_VERSION = OneOf(("SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"))

_PERSISTENCE = Fields(
    "session_persistence",
    (
        Field("cookie_name", COOKIE_NAME),
        Field("persistence_granularity", Netmask()),
        Field("persistence_timeout", Integer(0)),
        Field("type", OneOf(tuple(Persistence)), required=True),
    ),
)


class _Persistent:
    """Session persistence; an empty object is none."""

    accepted = "an object with type, and cookie_name, persistence_timeout, persistence_granularity as the type asks"

    def decode(self, given: Any, where: str) -> SessionPersistence | None:
        return SessionPersistence(**_PERSISTENCE.create(given, where)) if given != {} else None


FIELDS = Fields(
    "pool",
    (
        Field("admin_state_up", Flag(), default=True),
        Field("alpn_protocols", ListOf(ALPN, distinct=True)),
        Field("ca_tls_container_ref", Text()),
        Field("crl_container_ref", Text()),
        Field("description", Text(lines=True), default=""),
        Field("healthmonitor", Nested(healthmonitors.FIELDS), change=False),
        Field("lb_algorithm", OneOf(tuple(Algorithm)), required=True),
        Field("listener_id", Uuid(), change=False, alone=True),
        Field("loadbalancer_id", Uuid(), change=False, alone=True),
        Field("members", ListOf(Nested(members.FIELDS)), default=(), change=False),
        Field("name", Text(), default=""),
        Field(
            "protocol",
            OneOf(tuple(p for p in Protocol if p not in (Protocol.TERMINATED_HTTPS, Protocol.PROMETHEUS))),
            required=True,
            change=False,
        ),
        Field("session_persistence", _Persistent()),
        Field("tags", ListOf(Text()), default=()),
        Field("tls_ciphers", CIPHERS),
        Field("tls_container_ref", Text()),
        Field("tls_enabled", Flag(), default=False),
        Field("tls_versions", ListOf(TLS_VERSION, distinct=True)),
        *PROJECT,
    ),
)

_encode = Encoder(
    "admin_state_up",
    "alpn_protocols",
    "ca_tls_container_ref",
    "crl_container_ref",
    "description",
    "id",
    "lb_algorithm",
    "name",
    "operating_status",
    "project_id",
    "protocol",
    "provisioning_status",
    "tags",
    "tls_ciphers",
    "tls_container_ref",
    "tls_enabled",
    "tls_versions",
    created_at=instant("created_at"),
    healthmonitor_id=lambda pool: pool.health_monitor_id,
    listeners=references("listener_ids"),
    loadbalancers=reference("load_balancer_id"),
    members=references("member_ids"),
    session_persistence=lambda pool: None if pool.session_persistence is None else asdict(pool.session_persistence),
    tenant_id=lambda pool: pool.project_id,
    updated_at=instant("updated_at"),
)


async def _find(tx: Transaction, call: Call, project_id: str | None) -> tuple[Pool, ...]:
    return await pools.find(tx, project_id=project_id)


RESOURCE = Resource(
    "pool",
    "pools",
    "Pool",
    _encode,
    pools.get,
    _find,
    {
        "loadbalancer_id": "load_balancer_id",
        "load_balancer_id": "load_balancer_id",
        "healthmonitor_id": "health_monitor_id",
    },
)


async def insert(tx: Transaction, grown: PoolTree) -> None:
    """Write a new pool with all that came along."""
    await pools.insert(tx, grown.pool)
    for member in grown.members:
        await member_rows.insert(tx, member)
    if grown.monitor is not None:
        await health_monitors.insert(tx, grown.monitor)


async def _parents(tx: Transaction, call: Call, values: dict[str, Any]) -> tuple[LoadBalancer, Listener | None]:
    """What a new pool hangs on: a listener and its load balancer, or the latter alone."""
    listener = None
    identifier, where = values["loadbalancer_id"], "pool.loadbalancer_id"
    if values["listener_id"] is not None:
        listener = await changes.listener_of(tx, call, values["listener_id"], "pool.listener_id")
        if identifier not in (None, listener.load_balancer_id):
            raise InvalidInput(where, identifier, f"{listener.load_balancer_id}, the load balancer of the listener")
        if listener.default_pool_id is not None:
            raise Conflict(f"Listener {listener.id}, named by pool.listener_id, has a default pool already.")
        identifier = listener.load_balancer_id
    return await changes.load_balancer_of(tx, call, identifier, where), listener


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("pool"))
    if values["listener_id"] is None and values["loadbalancer_id"] is None:
        raise MissingField("pool.loadbalancer_id", "the id of a load balancer, here, or of a listener, in listener_id")
    await Subnets(call.parts.network).of_members(values, "pool")

    async def draft(tx: Transaction) -> Draft[Pool]:
        load_balancer, listener = await _parents(tx, call, values)
        grown = Planter(load_balancer, call.now()).pool(values, "pool")
        if listener is not None:
            validation.check_default_pool(listener, grown.pool, "pool.protocol")

        async def write(tx: Transaction) -> None:
            await insert(tx, grown)
            if listener is not None:
                await listeners.update(tx, changes.pending(listener, load_balancer, default_pool_id=grown.pool.id))

        tree = Tree(
            load_balancer=load_balancer,
            pools=(grown.pool,),
            members=grown.members,
            health_monitors=(grown.monitor,) if grown.monitor else (),
        )
        users: Any = (listener.id,) if listener is not None else ()
        return Draft(load_balancer, tree, write, evolve(grown.pool, listener_ids=users))

    return RESOURCE.answer(await changes.carry_out(call, draft), 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("pool"))

    async def draft(tx: Transaction) -> Draft[Pool]:
        old = changes.staying(await RESOURCE.found(tx, call), RESOURCE.kind)
        load_balancer = await changes.load_balancer_of(tx, call, old.load_balancer_id)
        pool = changes.pending(old, load_balancer, updated_at=call.now(), **values)
        validation.check_pool(pool, "pool")

        async def write(tx: Transaction) -> None:
            await changes.touch_pool(tx, load_balancer, pool)

        return Draft(load_balancer, Tree(load_balancer=load_balancer, pools=(pool,)), write, pool)

    return RESOURCE.answer(await changes.carry_out(call, draft))


async def _delete(call: Call) -> Answer:
    query.only(call.arguments)

    async def write(tx: Transaction, pool: Pool, revision: int) -> None:
        await pools.delete(tx, pool.id, revision)

    await changes.delete(call, lambda tx: RESOURCE.found(tx, call), write)
    return Answer(204)


ROUTES = (
    Route("GET", "pools", RESOURCE.list),
    Route("POST", "pools", _create),
    Route("GET", "pools/<id>", RESOURCE.show),
    Route("PUT", "pools/<id>", _change),
    Route("DELETE", "pools/<id>", _delete),
)
