"""Members: C{pools/<pool_id>/members}."""

from __future__ import annotations

from typing import Any

from octavia_tx.api import changes, query
from octavia_tx.api.batch import replace
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, instant, same
from octavia_tx.api.filters import yes_or_no
from octavia_tx.api.ground import Ground, leaving
from octavia_tx.api.resource import Document, Resource, Route
from octavia_tx.api.subnets import Subnets
from octavia_tx.api.trees import planter, with_status
from octavia_tx.api.types import LONGEST_LIST, Address, Flag, Integer, ListOf, Text, Uuid
from octavia_tx.db import members, pools
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import InvalidInput, RequestError
from octavia_tx.model import validation
from octavia_tx.model.resources import Member, Pool

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
    tenant_id=same("project_id"),
    updated_at=instant("updated_at"),
)


async def _pool(tx: Transaction, call: Call) -> Pool:
    return await Ground(tx, call).pool_seen(call.ids["pool_id"])


RESOURCE = Resource(
    name="member",
    plural="members",
    kind="Member",
    path="pools/<pool_id>/members",
    encode=_encode,
    rows=members.rows,
    fields=FIELDS,
    parent="pool_id",
    below=_pool,
)


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("member"))
    await Subnets(call.parts.network).known(values["subnet_id"], "member.subnet_id")

    async def draft(ground: Ground) -> Draft[Member]:
        pool = await ground.pool(call.ids["pool_id"])
        load_balancer = await ground.load_balancer(pool.load_balancer_id)
        member = planter(ground, load_balancer, changes.fresh_ids(call)).member(values, pool, "member")
        return Draft(
            load_balancer=load_balancer,
            result=member,
            new=(member,),
            touched=changes.using(pool),
            beside=(pool,),
        )

    part = (pools.rows, call.ids["pool_id"])
    return RESOURCE.answer(await changes.carry_out(call, draft, part=part), 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("member"))

    async def draft(ground: Ground) -> Draft[Member]:
        old = ground.staying(await RESOURCE.found(ground.tx, call), RESOURCE.kind)
        ground.expected(old)
        pool = await ground.pool(old.pool_id)
        load_balancer = await ground.load_balancer(old.load_balancer_id)
        member = with_status(changes.pending(old, load_balancer, updated_at=call.now(), **values), pool)
        validation.check_member(member, load_balancer, "member")
        return Draft(
            load_balancer=load_balancer,
            result=member,
            changed=(member,),
            touched=changes.using(pool),
            beside=(pool,),
        )

    return RESOURCE.answer(await changes.carry_out(call, draft, part=(members.rows, call.ids["id"])))


async def _delete(call: Call) -> Answer:
    query.only(call.arguments)

    async def draft(ground: Ground) -> Draft[None]:
        member = await RESOURCE.found(ground.tx, call)
        load_balancer = await ground.load_balancer(member.load_balancer_id)
        if leaving(member):
            return Draft(load_balancer=load_balancer, result=None)
        ground.expected(member)
        pool = await ground.pool_seen(member.pool_id)
        return Draft(load_balancer=load_balancer, result=None, gone=(member,), touched=changes.using(pool))

    await changes.delete(call, draft)
    return Answer(204)


async def _wanted(call: Call) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The members that a batch lists: each with all its values, and with those that were given."""
    given = call.given("members")
    if not isinstance(given, list):
        raise RequestError('The body has to be {"members": […]}, with a list.')
    if len(given) > LONGEST_LIST:
        raise InvalidInput("members", f"{len(given)} members", f"at most {LONGEST_LIST} in one batch")
    wanted = []
    subnets = Subnets(call.parts.network)
    for at, item in enumerate(given):
        values = FIELDS.create(item, f"members[{at}]")
        await subnets.known(values["subnet_id"], f"members[{at}].subnet_id")
        wanted.append((values, item))
    return wanted


async def _batch(call: Call) -> Answer:
    """The list given becomes the pool's members; with C{additive_only} none goes."""
    arguments = query.only(call.arguments, "additive_only")
    additive = yes_or_no("additive_only", arguments.get("additive_only", "false"))
    wanted = await _wanted(call)

    async def draft(ground: Ground) -> Draft[None]:
        pool = await ground.pool(call.ids["pool_id"])
        ground.expected(pool)
        load_balancer = await ground.load_balancer(pool.load_balancer_id)
        present = await members.find(ground.tx, pool_id=pool.id)
        making = planter(ground, load_balancer, changes.fresh_ids(call))
        batch = replace(making, pool, present, wanted, additive=additive)
        return Draft(
            load_balancer=load_balancer,
            result=None,
            new=batch.new,
            changed=batch.changed,
            gone=batch.gone,
            touched=changes.using(pool),
            beside=(pool,),
        )

    await changes.carry_out(call, draft, part=(pools.rows, call.ids["pool_id"]))
    return Answer(202)


_BATCH = Document(
    summary="Make the pool's members those of a list.",
    status=202,
    takes=FIELDS,
    creates=True,
    many=True,
    arguments={"additive_only": yes_or_no},
)
ROUTES = (
    *RESOURCE.routes(create=_create, change=_change, delete=_delete),
    Route("PUT", RESOURCE.path, _batch, _BATCH),
)
