"""Who works on which load balancer, and how it goes, for operators: C{leases}."""

from __future__ import annotations

from octavia_tx.api.codec import Encoder, Fields, instant, same
from octavia_tx.api.filters import Filter, named, text, uuid
from octavia_tx.api.resource import Document, Resource, Route
from octavia_tx.db import convergences
from octavia_tx.model.convergence import Convergence

RESOURCE: Resource[Convergence] = Resource(
    name="lease",
    plural="leases",
    kind="Lease of load balancer",
    path="leases",
    encode=Encoder(
        "attempts",
        "fence",
        "holder",
        "last_error",
        "settled",
        "step",
        due_at=instant("due_at"),
        expires_at=instant("expires_at"),
        last_error_at=instant("last_error_at"),
        load_balancer_id=same("id"),
        pending_since=instant("pending_since"),
    ),
    rows=convergences.rows,
    fields=Fields("lease", ()),
    owned=False,
    further={
        "holder": Filter("holder", uuid, sorts=True),
        "id": named("id"),
        "load_balancer_id": named("id"),
        "loadbalancer_id": named("id"),
        "project_id": Filter("load_balancer_id", text, "of_project"),
    },
)

ROUTES = (
    Route(
        "GET",
        "leases",
        RESOURCE.list,
        Document(summary="Who works on which load balancer, and how it goes, by pages.", gives=RESOURCE, listed=True),
    ),
)
