"""Rules of L7 policies: C{l7policies/<l7policy_id>/rules}."""

from __future__ import annotations

from octavia_tx.api import changes, query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.changes import Draft
from octavia_tx.api.codec import PROJECT, Encoder, Field, Fields, instant, same
from octavia_tx.api.filters import Filter, named, text
from octavia_tx.api.ground import Ground, leaving
from octavia_tx.api.resource import Resource
from octavia_tx.api.trees import planter
from octavia_tx.api.types import Flag, ListOf, OneOf, Text
from octavia_tx.db import l7policies, l7rules
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import Conflict
from octavia_tx.model import l7
from octavia_tx.model.resources import L7Policy, L7Rule
from octavia_tx.model.statuses import L7Comparison, L7RuleType

FIELDS = Fields(
    "rule",
    (
        Field("admin_state_up", Flag(), default=True),
        Field("compare_type", OneOf(tuple(L7Comparison)), required=True),
        Field("invert", Flag(), default=False),
        Field("key", Text()),
        Field("tags", ListOf(Text()), default=()),
        Field("type", OneOf(tuple(L7RuleType)), required=True),
        Field("value", Text(), required=True),
        *PROJECT,
    ),
)

_encode = Encoder(
    "admin_state_up",
    "compare_type",
    "id",
    "invert",
    "key",
    "operating_status",
    "project_id",
    "provisioning_status",
    "tags",
    "type",
    "value",
    created_at=instant("created_at"),
    tenant_id=same("project_id"),
    updated_at=instant("updated_at"),
)


async def _policy(tx: Transaction, call: Call) -> L7Policy:
    return await Ground(tx, call).l7policy_seen(call.ids["l7policy_id"])


RESOURCE = Resource(
    name="rule",
    plural="rules",
    kind="L7 rule",
    path="l7policies/<l7policy_id>/rules",
    encode=_encode,
    rows=l7rules.rows,
    fields=FIELDS,
    further={"l7policy_id": named("l7policy_id"), "rule_value": Filter("value", text)},
    parent="l7policy_id",
    below=_policy,
)


async def _draft(ground: Ground, policy: L7Policy, rule: L7Rule, *, new: bool) -> Draft[L7Rule]:
    """A rule that is new or changed; what it means for its policy depends on the others."""
    others = tuple(other for other in await ground.living(l7rules.rows, l7policy_id=policy.id) if other.id != rule.id)
    if new and len(others) >= l7.MOST_RULES:
        raise Conflict(f"L7 policy {policy.id} has {len(others)} rules, and more than {l7.MOST_RULES} can't be.")
    load_balancer = await ground.load_balancer(policy.load_balancer_id)
    listener = await ground.listener(policy.listener_id)
    ruled = changes.pending(policy, load_balancer, rule_ids=tuple(r.id for r in (*others, rule)))
    return Draft(
        load_balancer=load_balancer,
        result=rule,
        new=(rule,) if new else (),
        changed=(ruled, *(() if new else (rule,))),
        touched=changes.using(listener),
        beside=(listener, *others),
    )


async def _create(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.create(call.given("rule"))

    async def draft(ground: Ground) -> Draft[L7Rule]:
        policy = await ground.l7policy(call.ids["l7policy_id"])
        load_balancer = await ground.load_balancer(policy.load_balancer_id)
        rule = planter(ground, load_balancer, changes.fresh_ids(call)).rule(values, policy, "rule")
        return await _draft(ground, policy, rule, new=True)

    part = (l7policies.rows, call.ids["l7policy_id"])
    return RESOURCE.answer(await changes.carry_out(call, draft, part=part), 201)


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    values = FIELDS.change(call.given("rule"))

    async def draft(ground: Ground) -> Draft[L7Rule]:
        old = ground.staying(await RESOURCE.found(ground.tx, call), RESOURCE.kind)
        ground.expected(old)
        policy = await ground.l7policy(old.l7policy_id)
        load_balancer = await ground.load_balancer(policy.load_balancer_id)
        rule = changes.pending(old, load_balancer, updated_at=call.now(), **values)
        rule = l7.with_key_of_type(rule, values)
        l7.check_rule(rule, "rule")
        return await _draft(ground, policy, rule, new=False)

    return RESOURCE.answer(await changes.carry_out(call, draft, part=(l7rules.rows, call.ids["id"])))


async def _delete(call: Call) -> Answer:
    """A policy whose last rule goes misses one from then on, so that its provider is asked again."""
    query.only(call.arguments)

    async def draft(ground: Ground) -> Draft[None]:
        rule = await RESOURCE.found(ground.tx, call)
        load_balancer = await ground.load_balancer(rule.load_balancer_id)
        policy = await ground.l7policy_seen(rule.l7policy_id)
        if leaving(rule) or leaving(policy):
            return Draft(load_balancer=load_balancer, result=None)
        ground.expected(rule)
        others = tuple(
            other for other in await ground.living(l7rules.rows, l7policy_id=policy.id) if other.id != rule.id
        )
        listener = await ground.listener(policy.listener_id)
        return Draft(
            load_balancer=load_balancer,
            result=None,
            gone=(rule,),
            changed=(changes.pending(policy, load_balancer, rule_ids=tuple(other.id for other in others)),),
            touched=changes.using(listener),
            beside=(listener, *others),
        )

    await changes.delete(call, draft)
    return Answer(204)


ROUTES = RESOURCE.routes(create=_create, change=_change, delete=_delete)
