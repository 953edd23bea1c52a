"""Amphorae that wait for a load balancer, for operators: C{spares}."""

from __future__ import annotations

from typing import Any

from octavia_tx.api import query
from octavia_tx.api.amphorae import encode
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.resource import Document, Route
from octavia_tx.api.shapes import INTEGER, TEXT, a_list, an_object, nullable
from octavia_tx.db import amphorae
from octavia_tx.db.selection import Condition, Selection
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.statuses import AmphoraState

_COMING = (AmphoraState.REQUESTED, AmphoraState.BOOTING)
_SPARE = Selection(
    conditions=(
        Condition("empty", "load_balancer_id"),
        Condition("among", "state", [*_COMING, AmphoraState.READY]),
    )
)


async def _list(call: Call) -> Answer:
    """By the compute flavor that they were made with; those of the usual one first."""
    query.only(call.arguments)
    async with call.parts.database.transaction(read_only=True) as tx:
        found = await amphorae.rows.select(tx, _SPARE)
    flavors: dict[str | None, list[Amphora]] = {None: []}
    for amphora in found:
        flavors.setdefault(amphora.compute_flavor, []).append(amphora)
    return Answer(200, {"spares": [_shown(flavor, spares) for flavor, spares in flavors.items()]})


def _shown(flavor: str | None, spares: list[Amphora]) -> dict[str, Any]:
    return {
        "compute_flavor": flavor,
        "wanted": 0,
        "ready": sum(spare.state is AmphoraState.READY for spare in spares),
        "booting": sum(spare.state in _COMING for spare in spares),
        "amphorae": [encode(spare) for spare in spares],
    }


_SPARES = Document(
    summary="Amphorae that wait for a load balancer, by flavor.",
    shows=an_object(
        spares=a_list(
            an_object(
                compute_flavor=nullable(TEXT),
                wanted=INTEGER,
                ready=INTEGER,
                booting=INTEGER,
                amphorae=a_list(encode.shape(Amphora)),
            )
        )
    ),
)
ROUTES = (Route("GET", "spares", _list, _SPARES),)
