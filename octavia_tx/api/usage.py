"""What each project has, for operators: C{projects}."""

from __future__ import annotations

from attrs import evolve

from octavia_tx.api import loadbalancers, query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.codec import Encoder, Fields, Made
from octavia_tx.api.filters import Filter, text
from octavia_tx.api.resource import Document, Resource, Route
from octavia_tx.api.shapes import INTEGER, TEXT, an_object
from octavia_tx.api.stats import traffic
from octavia_tx.db import projects, quotas, statistics
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.project import Holding
from octavia_tx.model.quota import KINDS
from octavia_tx.model.resources import Statistics

_counts = Encoder(*KINDS, "amphora")

RESOURCE: Resource[Holding] = Resource(
    name="project",
    plural="projects",
    kind="Project",
    path="projects",
    encode=Encoder(*_counts.plain, id=Made(lambda holding: holding.id, TEXT)),  # as keystone spells it
    rows=projects.rows,
    fields=Fields("project", ()),
    owned=False,
    further={"id": Filter("id", text, sorts=True)},
)


async def _any(tx: Transaction, call: Call) -> None:
    """Projects are keystone's: one that isn't known here has nothing."""


_LOAD_BALANCERS = evolve(
    loadbalancers.RESOURCE, path="projects/<project_id>/loadbalancers", parent="project_id", below=_any
)


async def _usage(call: Call) -> Answer:
    query.only(call.arguments)
    project_id = call.ids["project_id"]
    async with call.parts.database.transaction(read_only=True) as tx:
        used = await quotas.usage(tx, project_id)
        limits = (await quotas.get(tx, project_id)).over(call.parts.quotas)
        holding = await projects.get(tx, project_id)
        carried = await statistics.of_project(tx, project_id)
    usage = {
        "project_id": project_id,
        "used": used,
        "limits": limits,
        "amphorae": 0 if holding is None else holding.amphora,
        "statistics": traffic(carried),
    }
    return Answer(200, {"usage": usage})


_EACH = an_object(**dict.fromkeys(KINDS, INTEGER))
_USAGE = an_object(
    usage=an_object(project_id=TEXT, used=_EACH, limits=_EACH, amphorae=INTEGER, statistics=traffic.shape(Statistics))
)
ROUTES = (
    Route(
        "GET",
        "projects",
        RESOURCE.list,
        Document(summary="Projects that have load balancers, and how much of each kind.", gives=RESOURCE, listed=True),
    ),
    Route(
        "GET",
        _LOAD_BALANCERS.path,
        _LOAD_BALANCERS.list,
        Document(summary="A project's load balancers, by pages.", gives=_LOAD_BALANCERS, listed=True),
    ),
    Route(
        "GET",
        "projects/<project_id>/usage",
        _usage,
        Document(summary="What a project has, may have and has carried.", shows=_USAGE),
    ),
)
