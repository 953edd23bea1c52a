"""Pools: C{pools}."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import evolve

from octavia_tx.api import certificates, changes, healthmonitors, members, query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, Nested, instant, part, reference, references, same
from octavia_tx.api.filters import Filter, named, uuid
from octavia_tx.api.ground import Ground, leaving
from octavia_tx.api.resource import Resource
from octavia_tx.api.schemas import nested, schema_of, whole
from octavia_tx.api.shapes import an_object
from octavia_tx.api.subnets import Subnets
from octavia_tx.api.trees import PoolName, planter
from octavia_tx.api.types import CIPHERS, COOKIE_NAME, Flag, Integer, ListOf, Netmask, OneOf, Text, Uuid
from octavia_tx.db import l7policies, pools
from octavia_tx.errors import Conflict, InvalidInput, MissingField
from octavia_tx.model import tls, validation
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
    """Session persistence."""

    accepted = "an object with type, and cookie_name, persistence_timeout, persistence_granularity as the type asks"
    fields = _PERSISTENCE
    schema = nested(_PERSISTENCE)

    def decode(self, given: Any, where: str) -> SessionPersistence | None:
        return SessionPersistence(**_PERSISTENCE.create(given, where))


class _PersistentOtherwise(_Persistent):
    """What is given of it, to be put over what is there; an empty object takes it away."""

    schema = whole(_PERSISTENCE, "change")

    def decode(self, given: Any, where: str) -> Any:
        return _PERSISTENCE.change(given, where) or None


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
        Field("session_persistence", _Persistent(), later=_PersistentOtherwise()),
        Field("tags", ListOf(Text()), default=()),
        Field("tls_ciphers", CIPHERS),
        Field("tls_container_ref", Text()),
        Field("tls_enabled", Flag(), default=False),
        Field("tls_versions", ListOf(TLS_VERSION, distinct=True)),
        *PROJECT,
    ),
)


class OrName:
    """A new pool, or only the name of one that stands elsewhere in a full tree."""

    accepted = "an object that describes a pool, or has its name alone"
    fields = FIELDS
    schema = {"anyOf": [nested(FIELDS), an_object(name=schema_of(Text()))]}

    def decode(self, given: Any, where: str) -> Any:
        if isinstance(given, dict) and given.keys() == {"name"}:
            return PoolName(Text().decode(given["name"], f"{where}.name"))
        return Nested(FIELDS).decode(given, where)


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
    healthmonitor_id=same("health_monitor_id"),
    listeners=references("listener_ids"),
    loadbalancers=reference("load_balancer_id"),
    members=references("member_ids"),
    session_persistence=part("session_persistence"),
    tenant_id=same("project_id"),
    updated_at=instant("updated_at"),
)


RESOURCE = Resource(
    name="pool",
    plural="pools",
    kind="Pool",
    path="pools",
    encode=_encode,
    rows=pools.rows,
    fields=FIELDS,
    further={
        "loadbalancer_id": named("load_balancer_id"),
        "load_balancer_id": named("load_balancer_id"),
        "listener_id": Filter("id", uuid, "used_by_listener"),
        "healthmonitor_id": Filter("id", uuid, "watched_by"),
        "health_monitor_id": Filter("id", uuid, "watched_by"),
    },
)


async def _parents(ground: Ground, values: dict[str, Any]) -> tuple[LoadBalancer, Listener | None]:
    """What a new pool hangs on: a listener and its load balancer, or the latter alone."""
    listener = None
    identifier, where = values["loadbalancer_id"], "pool.loadbalancer_id"
    if values["listener_id"] is not None:
        listener = await ground.listener(values["listener_id"], "pool.listener_id")
        if identifier not in (None, listener.load_balancer_id):
            raise InvalidInput(where, identifier, f"{listener.load_balancer_id}, the load balancer of the listener")
        if listener.default_pool_id is not None:
            raise Conflict(f"Listener {listener.id}, named by pool.listener_id, has a default pool already.")
        identifier = listener.load_balancer_id
    return await ground.load_balancer(identifier, where), listener


def _foresee(call: Call, values: dict[str, Any]) -> Callable[[LoadBalancer, Tree], Awaitable[None]] | None:
    """Certificates can be used, where any are referred to."""
    references = tuple(certificates.of_pool(values, "pool"))
    if not references:
        return None
    return lambda load_balancer, tree: certificates.check(call, load_balancer, references)


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("pool"))
    call.parts.bounds.check(values, "pool")
    if values["listener_id"] is None and values["loadbalancer_id"] is None:
        raise MissingField("pool.loadbalancer_id", "the id of a load balancer, here, or of a listener, in listener_id")
    await Subnets(call.parts.network).of_members(values, "pool")

    async def draft(ground: Ground) -> Draft[Pool]:
        load_balancer, listener = await _parents(ground, values)
        grown = planter(ground, load_balancer, changes.fresh_ids(call)).pool(values, "pool")
        users: tuple[Listener, ...] = ()
        if listener is not None:
            validation.check_default_pool(listener, grown.pool, "pool.protocol")
            users = (changes.pending(listener, load_balancer, default_pool_id=grown.pool.id),)
        made: Any = tuple(user.id for user in users)
        return Draft(
            load_balancer=load_balancer,
            result=evolve(grown.pool, listener_ids=made),
            new=grown.all(),
            changed=users,
        )

    return RESOURCE.answer(await changes.carry_out(call, draft, _foresee(call, values)), 201)


def _kept(old: SessionPersistence | None, given: dict[str, Any] | None) -> SessionPersistence | None:
    """The persistence that a change leaves; of another type, it keeps nothing of the old one."""
    if given is None:
        return None
    if old is None and "type" not in given:
        raise MissingField("pool.session_persistence.type", "a type, for the pool has no session persistence yet")
    if old is None or given.get("type", old.type) != old.type:
        return SessionPersistence(**given)
    return evolve(old, **given)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("pool"))
    call.parts.bounds.check(values, "pool")

    async def draft(ground: Ground) -> Draft[Pool]:
        old = ground.staying(await RESOURCE.found(ground.tx, call), RESOURCE.kind)
        ground.expected(old)
        load_balancer = await ground.load_balancer(old.load_balancer_id)
        if "session_persistence" in values:
            kept = _kept(old.session_persistence, values["session_persistence"])
        else:
            kept = old.session_persistence
        given = {**values, "session_persistence": kept}
        pool = tls.settled(changes.pending(old, load_balancer, updated_at=call.now(), **given), "pool")
        validation.check_pool(pool, "pool")
        return Draft(load_balancer=load_balancer, result=pool, changed=(pool,), touched=changes.using(pool))

    part = (pools.rows, call.ids["id"])
    return RESOURCE.answer(await changes.carry_out(call, draft, _foresee(call, values), part=part))


async def _delete(call: Call) -> Answer:
    query.only(call.arguments)

    async def draft(ground: Ground) -> Draft[None]:
        pool = await RESOURCE.found(ground.tx, call)
        load_balancer = await ground.load_balancer(pool.load_balancer_id)
        if leaving(pool):
            return Draft(load_balancer=load_balancer, result=None)
        ground.expected(pool)
        users = [policy.id for policy in await ground.living(l7policies.rows, redirect_pool_id=pool.id)]
        if users:
            raise Conflict(f"Pool {pool.id} is used by L7 policies: {', '.join(users)}. Change or delete those first.")
        return Draft(load_balancer=load_balancer, result=None, gone=(pool,))

    await changes.delete(call, draft)
    return Answer(204)


ROUTES = RESOURCE.routes(create=_create, change=_change, delete=_delete)
