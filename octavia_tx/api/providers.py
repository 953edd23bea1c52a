"""Who provides load balancers, and what their flavors and availability zones may ask for: C{providers}."""

from __future__ import annotations

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.filters import text
from octavia_tx.api.resource import Document, Route, Verb
from octavia_tx.api.shapes import TEXT, a_list, an_object, some

_PROVIDER = an_object(name=TEXT, description=TEXT)
_KEYS = frozenset(_PROVIDER["properties"])


def _asked(call: Call) -> tuple[query.Query, dict[str, str]]:
    """Which fields to show, and what they have to be. These lists are short: what asks for pages changes nothing."""
    chosen = tuple(pair for pair in call.arguments if pair[0] == "fields")
    wanted = query.only(
        tuple(pair for pair in call.arguments if pair[0] not in ("fields", *query.PAGING)), *sorted(_KEYS)
    )
    return query.shown_fields(chosen, _KEYS), {name: text(name, value) for name, value in wanted.items()}


async def _list(call: Call) -> Answer:
    asked, wanted = _asked(call)
    all_ = [{"name": name, "description": sentence} for name, sentence in call.parts.providers.descriptions()]
    shown = [asked.project(provider) for provider in all_ if wanted.items() <= provider.items()]
    return Answer(200, {"providers": shown})


def _capabilities(key: str) -> Verb:
    """What a provider's flavors or zones may ask for, from the schema that its driver publishes."""

    async def capabilities(call: Call) -> Answer:
        asked, wanted = _asked(call)
        providers = call.parts.providers
        of = providers.flavor_capabilities if key == _FLAVORS else providers.zone_capabilities
        shown = [{"name": name, "description": sentence} for name, sentence in of(call.ids["name"])]
        return Answer(200, {key: [asked.project(each) for each in shown if wanted.items() <= each.items()]})

    return capabilities


def _document(summary: str, key: str) -> Document:
    shows = an_object(**{key: a_list(some(_PROVIDER))})
    return Document(
        summary=summary, shows=shows, selects=_KEYS, arguments=dict.fromkeys((*sorted(_KEYS), *query.PAGING), text)
    )


_FLAVORS, _ZONES = "flavor_capabilities", "availability_zone_capabilities"
ROUTES = (
    Route("GET", "providers", _list, _document("All providers.", "providers")),
    Route(
        "GET",
        f"providers/<name>/{_FLAVORS}",
        _capabilities(_FLAVORS),
        _document("What a provider's flavors may ask for.", _FLAVORS),
    ),
    Route(
        "GET",
        f"providers/<name>/{_ZONES}",
        _capabilities(_ZONES),
        _document("What a provider's zones may ask for.", _ZONES),
    ),
)
