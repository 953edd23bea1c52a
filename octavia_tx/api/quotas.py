"""How many objects a project may have: C{quotas}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.codec import Field, Fields
from octavia_tx.api.filters import integer, text
from octavia_tx.api.resource import Document, Route
from octavia_tx.api.shapes import LINK, TEXT, a_list, an_object, some, with_keys
from octavia_tx.api.types import PROJECT_ID, Integer
from octavia_tx.db import quotas
from octavia_tx.errors import InvalidInput
from octavia_tx.model.quota import KINDS, Quota

_LIMIT = Integer(-1, 2_000_000_000)
_OTHERWISE = {"loadbalancer": "load_balancer", "healthmonitor": "health_monitor"}
"""Kinds that some clients spell in one word."""

FIELDS = Fields("quota", (*(Field(name, _LIMIT) for name in (*KINDS, *_OTHERWISE)), Field("tenant_id", PROJECT_ID)))


def _shown(call: Call, quota: Quota) -> dict[str, Any]:
    """The limits that hold for a project."""
    limits = quota.over(call.parts.quotas)
    return {**limits, **{alias: limits[kind] for alias, kind in _OTHERWISE.items()}}


def _of_project(call: Call, quota: Quota) -> dict[str, Any]:
    return {**_shown(call, quota), "project_id": quota.project_id, "tenant_id": quota.project_id}


def _meant(given: Mapping[str, Any]) -> dict[str, Any]:
    """The limits that a body sets, under one name each."""
    limits: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, limit in given.items():
        kind = _OTHERWISE.get(name, name)
        before = names.setdefault(kind, name)
        if limits.setdefault(kind, limit) != limit:
            raise InvalidInput(f"quota.{name}", limit, f"the same as quota.{before}, for both name one limit")
    return limits


async def _list(call: Call) -> Answer:
    """Of the projects that have limits of their own."""
    asked = query.read(call.arguments, {}, frozenset({*KINDS, *_OTHERWISE, "project_id", "tenant_id"}), tagged=False)
    project = asked.project_id
    if not call.rule.everywhere(call.caller):
        project = call.caller.project_id if project is None else project
        call.permit(project)
    async with call.parts.database.transaction(read_only=True) as tx:
        found = await quotas.find(tx, project, asked.marker, None if asked.limit is None else asked.limit + 1)
    page = found if asked.limit is None else found[: asked.limit]
    links = []
    if len(page) < len(found):
        kept = [(name, value) for name, value in call.arguments if name != "marker"]
        href = f"{call.url}?{urlencode([*kept, ('marker', page[-1].project_id)])}"
        links.append({"rel": "next", "href": href})
    shown = [asked.project(_of_project(call, quota)) for quota in page]
    return Answer(200, {"quotas": shown, "quotas_links": links})


async def _show(call: Call) -> Answer:
    query.only(call.arguments)
    project_id = call.ids["project_id"]
    call.permit(project_id)
    async with call.parts.database.transaction(read_only=True) as tx:
        quota = await quotas.get(tx, project_id)
    return Answer(200, {"quota": _of_project(call, quota)})


async def _show_defaults(call: Call) -> Answer:
    query.only(call.arguments)
    return Answer(200, {"quota": _shown(call, Quota(project_id=""))})


async def _show_default(call: Call) -> Answer:
    query.only(call.arguments)
    project_id = call.ids["project_id"]
    call.permit(project_id)
    return Answer(200, {"quota": _of_project(call, Quota(project_id=project_id))})


async def _change(call: Call) -> Answer:
    query.only(call.arguments)
    project_id = call.ids["project_id"]
    call.permit(project_id)
    given = FIELDS.change(call.given("quota"))
    named = given.pop("tenant_id", None)
    if named not in (None, project_id):
        raise InvalidInput("quota.tenant_id", named, f"{project_id}, the project that the path names")
    limits = _meant(given)
    async with call.writing() as tx:
        quota = await quotas.change(tx, project_id, limits, call.now())
    return Answer(202, {"quota": _of_project(call, quota)})


async def _reset(call: Call) -> Answer:
    """From now on the system's limits hold for the project."""
    query.only(call.arguments)
    project_id = call.ids["project_id"]
    call.permit(project_id)
    async with call.writing() as tx:
        await quotas.reset(tx, project_id)
    return Answer(202)


_LIMITS = an_object(**{name: {"type": "integer", "minimum": -1} for name in sorted((*KINDS, *_OTHERWISE))})
_PROJECTS = with_keys(_LIMITS, project_id=TEXT, tenant_id=TEXT)
_SHOWN = an_object(quota=_PROJECTS)
_ALL = Document(
    summary="Limits of the projects that have their own.",
    shows=an_object(quotas=a_list(some(_PROJECTS)), quotas_links=a_list(LINK)),
    selects=frozenset(_PROJECTS["properties"]),
    arguments={"limit": integer, "marker": text, "project_id": text, "tenant_id": text},
)
_DEFAULTS = Document(summary="The system's limits.", shows=an_object(quota=_LIMITS))
_ONE = Document(summary="A project's limits.", shows=_SHOWN)
_DEFAULT = Document(summary="What a project's limits would be.", shows=_SHOWN)
_CHANGED = Document(summary="Set limits.", status=202, takes=FIELDS, shows=_SHOWN)
ROUTES = (
    Route("GET", "quotas", _list, _ALL),
    Route("GET", "quotas/defaults", _show_defaults, _DEFAULTS),
    Route("GET", "quotas/<project_id>", _show, _ONE),
    Route("GET", "quotas/<project_id>/default", _show_default, _DEFAULT),
    Route("PUT", "quotas/<project_id>", _change, _CHANGED),
    Route("DELETE", "quotas/<project_id>", _reset, Document(summary="Take limits away.", status=202)),
)
