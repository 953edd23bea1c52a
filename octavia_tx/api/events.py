"""Changes of status as they happen, for operators: C{events}."""

from __future__ import annotations

from collections.abc import Mapping

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.filters import Decode, text, uuid
from octavia_tx.api.history import place
from octavia_tx.api.hub import PLACE, Reader
from octavia_tx.api.resource import Document, Route
from octavia_tx.api.shapes import Schema
from octavia_tx.db.events import Filter
from octavia_tx.errors import InvalidInput
from octavia_tx.model.event import KINDS

_LAST: Schema = {"anyOf": [PLACE, {"const": ""}]}
_KIND = "|".join(KINDS)
_ARGUMENTS: Mapping[str, Decode | Schema] = {
    "project_id": text,
    "load_balancer_id": uuid,
    "kind": {"type": "string", "pattern": f"^(?:{_KIND})(?:,(?:{_KIND}))*$"},
    "last_event_id": _LAST,
}


async def _follow(call: Call) -> Answer:
    """From now on, or from behind the event that C{Last-Event-ID} names; without end."""
    given = query.only(call.arguments, *_ARGUMENTS)
    wanted = Filter(
        project_id=text("project_id", given["project_id"]) if "project_id" in given else None,
        load_balancer_id=uuid("load_balancer_id", given["load_balancer_id"]) if "load_balancer_id" in given else None,
        kinds=_kinds(given["kind"]) if "kind" in given else None,
    )
    where, last = ("header Last-Event-ID", call.last_event)
    if not last:
        where, last = "last_event_id", given.get("last_event_id")
    start = await call.parts.hub.start(place(where, last) if last else None)
    return Answer(200, feed=Reader(call.parts.hub, start, wanted))


def _kinds(given: str) -> frozenset[str]:
    kinds = frozenset(given.split(","))
    if not kinds <= frozenset(KINDS):
        raise InvalidInput("kind", given, f"one or more of {', '.join(KINDS)}")
    return kinds


_EVENTS = Document(
    summary="Changes of status as they happen, as Server-Sent Events; without end.",
    arguments=_ARGUMENTS,
    headers={"Last-Event-ID": _LAST},
    shows={"description": "Each event's data is JSON, with the keys that a history shows of it."},
    media="text/event-stream",
)
ROUTES = (Route("GET", "events", _follow, _EVENTS),)
