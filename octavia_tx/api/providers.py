"""The list of providers: C{providers}."""

from __future__ import annotations

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.resource import Route

_KEYS = frozenset({"name", "description"})


async def _list(call: Call) -> Answer:
    asked = query.shown_fields(call.arguments, _KEYS)
    shown = [{"name": name, "description": sentence} for name, sentence in call.parts.providers.descriptions()]
    return Answer(200, {"providers": [asked.project(provider) for provider in shown]})


ROUTES = (Route("GET", "providers", _list),)
