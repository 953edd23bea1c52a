"""The configuration that a load balancer's amphorae should run, for operators: C{loadbalancers/<id>/configuration}."""

from __future__ import annotations

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.loadbalancers import RESOURCE
from octavia_tx.api.preview import PLACEHOLDER, preview
from octavia_tx.api.resource import Document, Route
from octavia_tx.api.shapes import INTEGER, TEXT, UUID, a_list, an_object, nullable
from octavia_tx.db import amphorae, load_balancers
from octavia_tx.errors import NotFound
from octavia_tx.model.statuses import AmphoraState

_SERVING = frozenset(
    {
        AmphoraState.REQUESTED,
        AmphoraState.BOOTING,
        AmphoraState.READY,
        AmphoraState.ALLOCATED,
        AmphoraState.DRAINING,
    }
)
"""Amphorae in these states serve a load balancer, or are to."""


async def _show(call: Call) -> Answer:
    """As they should run it now, whether or not they do already: then the revisions differ."""
    query.only(call.arguments)
    async with call.parts.database.transaction(read_only=True) as tx:
        load_balancer = await RESOURCE.found(tx, call)
        tree = await load_balancers.tree(tx, load_balancer.id)
        found = await amphorae.of(tx, load_balancer.id)
    if tree is None:
        raise NotFound(RESOURCE.kind, load_balancer.id)
    ids = [amphora.id for amphora in found if amphora.state in _SERVING] or [PLACEHOLDER]
    rendered = {identifier: preview(call.parts.preview, tree, identifier) for identifier in ids}
    configuration = {
        "load_balancer_id": tree.load_balancer.id,
        "revision": tree.load_balancer.revision,
        "applied_revision": tree.load_balancer.applied_revision,
        "amphorae": [{"id": i, "haproxy": each.text, "problem": each.problem} for i, each in rendered.items()],
    }
    return Answer(200, {"configuration": configuration}, tree.load_balancer.revision)


_AMPHORA = an_object(id=UUID, haproxy=nullable(TEXT), problem=nullable(TEXT))
_CONFIGURATION = Document(
    summary="The configuration that a load balancer's amphorae should run.",
    shows=an_object(
        configuration=an_object(
            load_balancer_id=UUID, revision=INTEGER, applied_revision=INTEGER, amphorae=a_list(_AMPHORA, minItems=1)
        )
    ),
)
ROUTES = (Route("GET", "loadbalancers/<id>/configuration", _show, _CONFIGURATION),)
