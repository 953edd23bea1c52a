"""
Projects, where nobody keeps them: without keystone, one of any name exists, and its name is its id.

The C{openstack} client looks a project up before it calls us (C{--project}, quotas), at its only endpoint.
"""

from __future__ import annotations

from octavia_tx.api.call import Answer, Call
from octavia_tx.api.resource import Document, Route
from octavia_tx.api.shapes import FLAG, TEXT, a_list, an_object

_DOMAIN = "default"


async def _show(call: Call) -> Answer:
    project = call.ids["project_id"]
    shown = {
        "id": project,
        "name": project,
        "description": "",
        "domain_id": _DOMAIN,
        "enabled": True,
        "is_domain": False,
        "parent_id": _DOMAIN,
        "options": {},
        "tags": [],
        "links": {"self": f"{call.origin}/projects/{project}"},
    }
    return Answer(200, {"project": shown})


_PROJECT = an_object(
    id=TEXT,
    name=TEXT,
    description=TEXT,
    domain_id=TEXT,
    enabled=FLAG,
    is_domain=FLAG,
    parent_id=TEXT,
    options={"type": "object"},
    tags=a_list(TEXT),
    links=an_object(self=TEXT),
)
_DOCUMENT = Document(summary="A project, as keystone shows it.", shows=an_object(project=_PROJECT))
ROUTES = (Route("GET", "projects/<project_id>", _show, _DOCUMENT),)
