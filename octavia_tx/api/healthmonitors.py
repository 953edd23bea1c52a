"""Health monitors: C{healthmonitors}."""

from __future__ import annotations

from octavia_tx.api import changes, query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, instant, reference
from octavia_tx.api.resource import Resource, Route
from octavia_tx.api.trees import Planter, with_http_check
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
from octavia_tx.db import health_monitors
from octavia_tx.db.transaction import Transaction
from octavia_tx.model import validation
from octavia_tx.model.resources import HealthMonitor
from octavia_tx.model.statuses import MonitorType
from octavia_tx.model.tree import Tree

_METHODS = ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE")
_LONGEST = 2147483  # seconds that fit into haproxy's timers, which count milliseconds

FIELDS = Fields(
    "healthmonitor",
    (
        Field("admin_state_up", Flag(), default=True),
        Field("delay", Integer(0, _LONGEST), required=True),
        Field("domain_name", HOST_NAME),
        Field("expected_codes", EXPECTED_CODES),
        Field("http_method", OneOf(_METHODS)),
        Field("http_version", HttpVersion()),
        Field("max_retries", Integer(1, 10), required=True),
        Field("max_retries_down", Integer(1, 10), default=3),
        Field("name", Text(), default=""),
        Field("pool_id", Uuid(), required=True, change=False, alone=True),
        Field("tags", ListOf(Text()), default=()),
        Field("timeout", Integer(0, _LONGEST), required=True),
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
    tenant_id=lambda monitor: monitor.project_id,
    updated_at=instant("updated_at"),
)


async def _find(tx: Transaction, call: Call, project_id: str | None) -> tuple[HealthMonitor, ...]:
    return await health_monitors.find(tx, project_id=project_id)


RESOURCE = Resource(
    "healthmonitor",
    "healthmonitors",
    "Health monitor",
    _encode,
    health_monitors.get,
    _find,
    {"pool_id": "pool_id"},
)


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("healthmonitor"))

    async def draft(tx: Transaction) -> Draft[HealthMonitor]:
        pool = await changes.pool_of(tx, call, values["pool_id"], "healthmonitor.pool_id")
        load_balancer = await changes.load_balancer_of(tx, call, pool.load_balancer_id)
        monitor = Planter(load_balancer, call.now()).monitor(values, pool, "healthmonitor")

        async def write(tx: Transaction) -> None:
            await health_monitors.insert(tx, monitor)
            await changes.touch_pool(tx, load_balancer, pool)

        tree = Tree(load_balancer=load_balancer, pools=(pool,), health_monitors=(monitor,))
        return Draft(load_balancer, tree, write, monitor)

    return RESOURCE.answer(await changes.carry_out(call, draft), 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("healthmonitor"))

    async def draft(tx: Transaction) -> Draft[HealthMonitor]:
        old = changes.staying(await RESOURCE.found(tx, call), RESOURCE.kind)
        pool = await changes.pool_of(tx, call, old.pool_id)
        load_balancer = await changes.load_balancer_of(tx, call, old.load_balancer_id)
        monitor = with_http_check(changes.pending(old, load_balancer, updated_at=call.now(), **values))
        validation.check_monitor(monitor, pool, "healthmonitor")

        async def write(tx: Transaction) -> None:
            await health_monitors.update(tx, monitor)
            await changes.touch_pool(tx, load_balancer, pool)

        tree = Tree(load_balancer=load_balancer, pools=(pool,), health_monitors=(monitor,))
        return Draft(load_balancer, tree, write, monitor)

    return RESOURCE.answer(await changes.carry_out(call, draft))


async def _delete(call: Call) -> Answer:
    query.only(call.arguments)

    async def write(tx: Transaction, monitor: HealthMonitor, revision: int) -> None:
        await health_monitors.delete(tx, monitor.id, revision)
        load_balancer = await changes.load_balancer_of(tx, call, monitor.load_balancer_id)
        pool = await changes.pool_of(tx, call, monitor.pool_id)
        await changes.touch_pool(tx, load_balancer, pool)

    await changes.delete(call, lambda tx: RESOURCE.found(tx, call), write)
    return Answer(204)


ROUTES = (
    Route("GET", "healthmonitors", RESOURCE.list),
    Route("POST", "healthmonitors", _create),
    Route("GET", "healthmonitors/<id>", RESOURCE.show),
    Route("PUT", "healthmonitors/<id>", _change),
    Route("DELETE", "healthmonitors/<id>", _delete),
)
