"""
Projects, where nobody keeps them: without keystone, one of any name exists, and its name is its id.

The C{openstack} client looks a project up before it calls us (C{--project}, quotas), at its only endpoint.
"""

from __future__ import annotations

from octavia_tx.api.call import Answer, Call
from octavia_tx.api.resource import Route

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


ROUTES = (Route("GET", "projects/<project_id>", _show),)
