"""The list of providers: C{providers}."""

from __future__ import annotations

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.resource import Route

_KEYS = frozenset({"name", "description"})


async def _list(call: Call) -> Answer:
    wanted = {name: value for name, value in call.arguments if name in _KEYS}
    asked = query.shown_fields(tuple(pair for pair in call.arguments if pair[0] not in _KEYS), _KEYS)
    all_ = [{"name": name, "description": sentence} for name, sentence in call.parts.providers.descriptions()]
    shown = [asked.project(provider) for provider in all_ if wanted.items() <= provider.items()]
    return Answer(200, {"providers": shown})


ROUTES = (Route("GET", "providers", _list),)
