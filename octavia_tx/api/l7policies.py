"""L7 policies: C{l7policies}."""

from __future__ import annotations

from typing import Any

from attrs import evolve

from octavia_tx.api import changes, l7rules, pools, query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, Nested, instant, references, same
from octavia_tx.api.filters import Filter, named, uuid
from octavia_tx.api.ground import Ground, leaving
from octavia_tx.api.resource import Resource
from octavia_tx.api.trees import planter
from octavia_tx.api.types import URL, Flag, Integer, ListOf, OneOf, OneOfNumbers, Text, Uuid
from octavia_tx.db import l7policies, listeners
from octavia_tx.db import l7rules as rule_rows
from octavia_tx.errors import ParentNotFound
from octavia_tx.model import l7
from octavia_tx.model.resources import L7Policy, Listener, Pool
from octavia_tx.model.statuses import L7Action

_LAST = 2**31 - 1  # a position that is never too low: the end

FIELDS = Fields(
    "l7policy",
    (
        Field("action", OneOf(tuple(L7Action)), required=True),
        Field("admin_state_up", Flag(), default=True),
        Field("description", Text(lines=True), default=""),
        Field("listener_id", Uuid(), required=True, change=False, alone=True),
        Field("name", Text(), default=""),
        Field("position", Integer(1), default=_LAST),
        Field("redirect_http_code", OneOfNumbers((301, 302, 303, 307, 308))),
        Field("redirect_pool", pools.OrName(), change=False, inside=True),
        Field("redirect_pool_id", Uuid(), alone=True),
        Field("redirect_prefix", URL),
        Field("redirect_url", URL),
        Field("rules", ListOf(Nested(l7rules.FIELDS), most=l7.MOST_RULES), default=(), change=False),
        Field("tags", ListOf(Text()), default=()),
        *PROJECT,
    ),
)

_encode = Encoder(
    "action",
    "admin_state_up",
    "description",
    "id",
    "listener_id",
    "name",
    "operating_status",
    "position",
    "project_id",
    "provisioning_status",
    "redirect_http_code",
    "redirect_pool_id",
    "redirect_prefix",
    "redirect_url",
    "tags",
    created_at=instant("created_at"),
    rules=references("rule_ids"),
    tenant_id=same("project_id"),
    updated_at=instant("updated_at"),
)

RESOURCE = Resource(
    name="l7policy",
    plural="l7policies",
    kind="L7 policy",
    path="l7policies",
    encode=_encode,
    rows=l7policies.rows,
    fields=FIELDS,
    further={"loadbalancer_id": named("load_balancer_id"), "rule_id": Filter("id", uuid, "has_rule")},
)


async def _redirect_pool(ground: Ground, policy: L7Policy, listener: Listener) -> Pool | None:
    """The pool that a policy sends requests to, of the same load balancer."""
    if policy.redirect_pool_id is None:
        return None
    where = "l7policy.redirect_pool_id"
    pool = await ground.pool(policy.redirect_pool_id, where)
    if pool.load_balancer_id != policy.load_balancer_id:
        raise ParentNotFound(where, "Pool of the same load balancer", pool.id)
    l7.check_redirect_pool(listener, pool, where)
    return pool


async def _others(ground: Ground, listener_id: str) -> tuple[L7Policy, ...]:
    """The living policies of a listener, by position."""
    found = await ground.living(l7policies.rows, listener_id=listener_id)
    return tuple(sorted(found, key=lambda policy: policy.position))


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("l7policy"))

    async def draft(ground: Ground) -> Draft[L7Policy]:
        listener = await ground.listener(values["listener_id"], "l7policy.listener_id")
        load_balancer = await ground.load_balancer(listener.load_balancer_id)
        making = planter(ground, load_balancer, changes.fresh_ids(call))
        policy = making.policy(values, listener, "l7policy")
        pool = await _redirect_pool(ground, policy, listener)
        rules = making.rules(values["rules"], policy, "l7policy.rules")
        ids: Any = tuple(rule.id for rule in rules)
        placed = l7.placed(await _others(ground, listener.id), evolve(policy, rule_ids=ids), policy.position)
        made = next(each for each in placed if each.id == policy.id)
        return Draft(
            load_balancer=load_balancer,
            result=made,
            new=(made, *rules),
            changed=tuple(changes.pending(each, load_balancer) for each in placed if each.id != made.id),
            touched=changes.using(listener, pool),
            beside=(listener, *((pool,) if pool else ())),
        )

    part = (listeners.rows, values["listener_id"])
    return RESOURCE.answer(await changes.carry_out(call, draft, part=part), 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("l7policy"))

    async def draft(ground: Ground) -> Draft[L7Policy]:
        old = ground.staying(await RESOURCE.found(ground.tx, call), RESOURCE.kind)
        ground.expected(old)
        listener = await ground.listener(old.listener_id)
        load_balancer = await ground.load_balancer(old.load_balancer_id)
        policy = changes.pending(old, load_balancer, updated_at=call.now(), **_meant(old, values))
        policy = l7.with_redirect_code(policy)
        l7.check_policy(policy, listener, "l7policy")
        pool = await _redirect_pool(ground, policy, listener)
        others = tuple(each for each in await _others(ground, listener.id) if each.id != policy.id)
        placed = {each.id: each for each in l7.placed(others, policy, policy.position)}
        moved = placed.pop(policy.id, policy)
        return Draft(
            load_balancer=load_balancer,
            result=moved,
            changed=(moved, *(changes.pending(each, load_balancer) for each in placed.values())),
            touched=changes.using(listener, pool),
            beside=(
                listener,
                *((pool,) if pool else ()),
                *(await ground.living(rule_rows.rows, l7policy_id=policy.id)),
            ),
        )

    return RESOURCE.answer(await changes.carry_out(call, draft, part=(l7policies.rows, call.ids["id"])))


def _meant(old: L7Policy, given: dict[str, Any]) -> dict[str, Any]:
    """What a change means: another action, named or implied, doesn't keep what only the old one needed."""
    kept = {"action": l7.implied_action(old.action, given), **given}
    if kept["action"] != old.action:
        for name in ("redirect_pool_id", "redirect_url", "redirect_prefix", "redirect_http_code"):
            kept.setdefault(name, None)
    return kept


async def _delete(call: Call) -> Answer:
    query.only(call.arguments)

    async def draft(ground: Ground) -> Draft[None]:
        policy = await RESOURCE.found(ground.tx, call)
        load_balancer = await ground.load_balancer(policy.load_balancer_id)
        if leaving(policy):
            return Draft(load_balancer=load_balancer, result=None)
        ground.expected(policy)
        closed = l7.closed(await _others(ground, policy.listener_id), policy)
        listener = await ground.listener(policy.listener_id)
        return Draft(
            load_balancer=load_balancer,
            result=None,
            gone=(policy,),
            changed=tuple(changes.pending(each, load_balancer) for each in closed),
            touched=changes.using(listener),
        )

    await changes.delete(call, draft)
    return Answer(204)


ROUTES = RESOURCE.routes(create=_create, change=_change, delete=_delete)
