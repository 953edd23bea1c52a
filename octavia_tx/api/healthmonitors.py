"""Health monitors: C{healthmonitors}."""

from __future__ import annotations

from octavia_tx.api import changes, query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, instant, reference, same
from octavia_tx.api.filters import named
from octavia_tx.api.ground import Ground, leaving
from octavia_tx.api.resource import Resource
from octavia_tx.api.trees import planter, with_http_check
from octavia_tx.api.types import (
    EXPECTED_CODES,
    HOST_NAME,
    URL_PATH,
    Flag,
    HttpVersion,
    Integer,
    ListOf,
    OneOf,
    Text,
    Uuid,
)
from octavia_tx.db import health_monitors, pools
from octavia_tx.model import validation
from octavia_tx.model.resources import HealthMonitor
from octavia_tx.model.statuses import MonitorType

_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")

FIELDS = Fields(
    "healthmonitor",
    (
        Field("admin_state_up", Flag(), default=True),
        Field("delay", Integer(0), required=True),
        Field("domain_name", HOST_NAME),
        Field("expected_codes", EXPECTED_CODES),
        Field("http_method", OneOf(_METHODS)),
        Field("http_version", HttpVersion()),
        Field("max_retries", Integer(1, 10), required=True),
        Field("max_retries_down", Integer(1, 10), default=3),
        Field("name", Text(), default=""),
        Field("pool_id", Uuid(), required=True, change=False, alone=True),
        Field("tags", ListOf(Text()), default=()),
        Field("timeout", Integer(0), required=True),
        Field("type", OneOf(tuple(MonitorType)), required=True, change=False),
        Field("url_path", URL_PATH),
        *PROJECT,
    ),
)

_encode = Encoder(
    "admin_state_up",
    "delay",
    "domain_name",
    "expected_codes",
    "http_method",
    "http_version",
    "id",
    "max_retries",
    "max_retries_down",
    "name",
    "operating_status",
    "project_id",
    "provisioning_status",
    "tags",
    "timeout",
    "type",
    "url_path",
    created_at=instant("created_at"),
    pools=reference("pool_id"),
    tenant_id=same("project_id"),
    updated_at=instant("updated_at"),
)


RESOURCE = Resource(
    name="healthmonitor",
    plural="healthmonitors",
    kind="Health monitor",
    path="healthmonitors",
    encode=_encode,
    rows=health_monitors.rows,
    fields=FIELDS,
    further={"pool_id": named("pool_id"), "loadbalancer_id": named("load_balancer_id")},
)


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("healthmonitor"))
    call.parts.bounds.check(values, "healthmonitor")

    async def draft(ground: Ground) -> Draft[HealthMonitor]:
        pool = await ground.pool(values["pool_id"], "healthmonitor.pool_id")
        load_balancer = await ground.load_balancer(pool.load_balancer_id)
        monitor = planter(ground, load_balancer, changes.fresh_ids(call)).monitor(values, pool, "healthmonitor")
        return Draft(
            load_balancer=load_balancer,
            result=monitor,
            new=(monitor,),
            touched=changes.using(pool),
            beside=(pool,),
        )

    return RESOURCE.answer(await changes.carry_out(call, draft, part=(pools.rows, values["pool_id"])), 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("healthmonitor"))

    async def draft(ground: Ground) -> Draft[HealthMonitor]:
        old = ground.staying(await RESOURCE.found(ground.tx, call), RESOURCE.kind)
        ground.expected(old)
        pool = await ground.pool(old.pool_id)
        load_balancer = await ground.load_balancer(old.load_balancer_id)
        monitor = with_http_check(changes.pending(old, load_balancer, updated_at=call.now(), **values))
        validation.check_monitor(monitor, pool, "healthmonitor")
        return Draft(
            load_balancer=load_balancer,
            result=monitor,
            changed=(monitor,),
            touched=changes.using(pool),
            beside=(pool,),
        )

    return RESOURCE.answer(await changes.carry_out(call, draft, part=(health_monitors.rows, call.ids["id"])))


async def _delete(call: Call) -> Answer:
    query.only(call.arguments)

    async def draft(ground: Ground) -> Draft[None]:
        monitor = await RESOURCE.found(ground.tx, call)
        load_balancer = await ground.load_balancer(monitor.load_balancer_id)
        if leaving(monitor):
            return Draft(load_balancer=load_balancer, result=None)
        ground.expected(monitor)
        pool = await ground.pool_seen(monitor.pool_id)
        return Draft(load_balancer=load_balancer, result=None, gone=(monitor,), touched=changes.using(pool))

    await changes.delete(call, draft)
    return Answer(204)


ROUTES = RESOURCE.routes(create=_create, change=_change, delete=_delete)
