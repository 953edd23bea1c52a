"""Members: C{pools/<pool_id>/members}."""

from __future__ import annotations

from typing import Any

from octavia_tx.api import changes, query
from octavia_tx.api.batch import replace
from octavia_tx.api.call import Answer, Call, yes_or_no
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, instant
from octavia_tx.api.resource import Resource, Route
from octavia_tx.api.subnets import Subnets
from octavia_tx.api.trees import Planter
from octavia_tx.api.types import Address, Flag, Integer, ListOf, Text, Uuid
from octavia_tx.db import members
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import NotFound, RequestError
from octavia_tx.model import validation
from octavia_tx.model.resources import Member
from octavia_tx.model.tree import Tree

FIELDS = Fields(
    "member",
    (
        Field("address", Address(), required=True, change=False),
        Field("admin_state_up", Flag(), default=True),
        Field("backup", Flag(), default=False),
        Field("monitor_address", Address()),
        Field("monitor_port", Integer(1, 65535)),
        Field("name", Text(), default=""),
        Field("protocol_port", Integer(1, 65535), required=True, change=False),
        Field("request_sriov", Flag(), default=False, change=False),
        Field("subnet_id", Uuid(), change=False),
        Field("tags", ListOf(Text()), default=()),
        Field("weight", Integer(0, 256), default=1),
        *PROJECT,
    ),
)

_encode = Encoder(
    "address",
    "admin_state_up",
    "backup",
    "id",
    "monitor_address",
    "monitor_port",
    "name",
    "operating_status",
    "project_id",
    "protocol_port",
    "provisioning_status",
    "subnet_id",
    "tags",
    "vnic_type",
    "weight",
    created_at=instant("created_at"),
    tenant_id=lambda member: member.project_id,
    updated_at=instant("updated_at"),
)


async def _find(tx: Transaction, call: Call, project_id: str | None) -> tuple[Member, ...]:
    pool = await changes.pool_seen(tx, call, call.ids["pool_id"])
    return await members.find(tx, project_id=project_id, pool_id=pool.id)


RESOURCE = Resource("member", "members", "Member", _encode, members.get, _find)


async def _found(tx: Transaction, call: Call) -> Member:
    """The member that the path names, of the pool that it names."""
    member = await RESOURCE.found(tx, call)
    if member.pool_id != call.ids["pool_id"]:
        raise NotFound(RESOURCE.kind, member.id)
    return member


async def _show(call: Call) -> Answer:
    asked = query.shown_fields(call.arguments, _encode.keys)
    async with call.parts.database.transaction(read_only=True) as tx:
        member = await _found(tx, call)
    return Answer(200, {"member": asked.project(_encode(member))})


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("member"))
    await Subnets(call.parts.network).known(values["subnet_id"], "member.subnet_id")

    async def draft(tx: Transaction) -> Draft[Member]:
        pool = await changes.pool_of(tx, call, call.ids["pool_id"])
        load_balancer = await changes.load_balancer_of(tx, call, pool.load_balancer_id)
        member = Planter(load_balancer, call.now()).member(values, pool, "member")

        async def write(tx: Transaction) -> None:
            await members.insert(tx, member)
            await changes.touch_pool(tx, load_balancer, pool)

        return Draft(load_balancer, Tree(load_balancer=load_balancer, pools=(pool,), members=(member,)), write, member)

    return RESOURCE.answer(await changes.carry_out(call, draft), 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("member"))

    async def draft(tx: Transaction) -> Draft[Member]:
        old = changes.staying(await _found(tx, call), "Member")
        pool = await changes.pool_of(tx, call, old.pool_id)
        load_balancer = await changes.load_balancer_of(tx, call, old.load_balancer_id)
        member = changes.pending(old, load_balancer, updated_at=call.now(), **values)
        validation.check_member(member, load_balancer, "member")

        async def write(tx: Transaction) -> None:
            await members.update(tx, member)
            await changes.touch_pool(tx, load_balancer, pool)

        return Draft(load_balancer, Tree(load_balancer=load_balancer, pools=(pool,), members=(member,)), write, member)

    return RESOURCE.answer(await changes.carry_out(call, draft))


async def _delete(call: Call) -> Answer:
    query.only(call.arguments)

    async def write(tx: Transaction, member: Member, revision: int) -> None:
        await members.delete(tx, member.id, revision)
        load_balancer = await changes.load_balancer_of(tx, call, member.load_balancer_id)
        pool = await changes.pool_of(tx, call, member.pool_id)
        await changes.touch_pool(tx, load_balancer, pool)

    await changes.delete(call, lambda tx: _found(tx, call), write)
    return Answer(204)


async def _batch(call: Call) -> Answer:
    """The list given becomes the pool's members; with C{additive_only} none goes."""
    arguments = query.only(call.arguments, "additive_only")
    additive = yes_or_no("additive_only", arguments.get("additive_only", "false"))
    given = call.given("members")
    if not isinstance(given, list):
        raise RequestError('The body has to be {"members": […]}, with a list.')
    wanted: list[tuple[dict[str, Any], dict[str, Any]]] = []
    subnets = Subnets(call.parts.network)
    for at, item in enumerate(given):
        values = FIELDS.create(item, f"members[{at}]")
        await subnets.known(values["subnet_id"], f"members[{at}].subnet_id")
        wanted.append((values, item))

    async def draft(tx: Transaction) -> Draft[None]:
        pool = await changes.pool_of(tx, call, call.ids["pool_id"])
        load_balancer = await changes.load_balancer_of(tx, call, pool.load_balancer_id)
        present = await members.find(tx, pool_id=pool.id)
        batch = replace(Planter(load_balancer, call.now()), pool, present, wanted, additive=additive)

        async def write(tx: Transaction) -> None:
            for member in batch.gone:
                await members.delete(tx, member.id, load_balancer.revision)
            for member in batch.changed:
                await members.update(tx, member)
            for member in batch.new:
                await members.insert(tx, member)
            await changes.touch_pool(tx, load_balancer, pool)

        shown = Tree(load_balancer=load_balancer, pools=(pool,), members=(*batch.new, *batch.changed))
        return Draft(load_balancer, shown, write, None)

    await changes.carry_out(call, draft)
    return Answer(202)


ROUTES = (
    Route("GET", "pools/<pool_id>/members", RESOURCE.list),
    Route("POST", "pools/<pool_id>/members", _create),
    Route("PUT", "pools/<pool_id>/members", _batch),
    Route("GET", "pools/<pool_id>/members/<id>", _show),
    Route("PUT", "pools/<pool_id>/members/<id>", _change),
    Route("DELETE", "pools/<pool_id>/members/<id>", _delete),
)
