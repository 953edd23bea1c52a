"""Who provides load balancers, and what their flavors and availability zones may ask for: C{providers}."""

from __future__ import annotations

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.resource import Document, Route, Verb

_KEYS = frozenset({"name", "description"})


async def _list(call: Call) -> Answer:
    wanted = {name: value for name, value in call.arguments if name in _KEYS}
    asked = query.shown_fields(tuple(pair for pair in call.arguments if pair[0] not in _KEYS), _KEYS)
    all_ = [{"name": name, "description": sentence} for name, sentence in call.parts.providers.descriptions()]
    shown = [asked.project(provider) for provider in all_ if wanted.items() <= provider.items()]
    return Answer(200, {"providers": shown})


def _capabilities(key: str) -> Verb:
    """What a provider's flavors or zones may ask for, from the schema that its driver publishes."""

    async def capabilities(call: Call) -> Answer:
        asked = query.shown_fields(tuple(pair for pair in call.arguments if pair[0] == "fields"), _KEYS)
        wanted = query.only(tuple(pair for pair in call.arguments if pair[0] != "fields"), *sorted(_KEYS))
        providers = call.parts.providers
        of = providers.flavor_capabilities if key == "flavor_capabilities" else providers.zone_capabilities
        shown = [{"name": name, "description": sentence} for name, sentence in of(call.ids["name"])]
        return Answer(200, {key: [asked.project(each) for each in shown if wanted.items() <= each.items()]})

    return capabilities


_FLAVORS = Document(summary="What a provider's flavors may ask for.", arguments=("fields", "name", "description"))
_ZONES = Document(summary="What a provider's zones may ask for.", arguments=("fields", "name", "description"))
ROUTES = (
    Route("GET", "providers", _list),
    Route("GET", "providers/<name>/flavor_capabilities", _capabilities("flavor_capabilities"), _FLAVORS),
    Route(
        "GET",
        "providers/<name>/availability_zone_capabilities",
        _capabilities("availability_zone_capabilities"),
        _ZONES,
    ),
)
