"""What query strings, paths and headers may hold, as a document tells it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from octavia_tx.api import filters
from octavia_tx.api.filters import Decode, Filter
from octavia_tx.api.query import DIRECTIONS, PAGING, TAGS
from octavia_tx.api.resource import Document, Resource, Route
from octavia_tx.api.shapes import UUID, Schema, a_list, names_object

Parameter = dict[str, Any]

_PRINTED: Final[Schema] = {"type": "string", "pattern": r"^[^\u0000]*$"}
_FLAG: Final[Schema] = {"type": "string", "enum": ["true", "false", "yes", "no", "1", "0"]}

_DECODED: Final[Mapping[Decode, Schema]] = {
    filters.uuid: UUID,
    filters.text: _PRINTED,
    filters.yes_or_no: _FLAG,
    filters.integer: {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
    filters.number: {"type": "number"},
    filters.address: {"anyOf": [{"type": "string", "format": "ipv4"}, {"type": "string", "format": "ipv6"}]},
    filters.moment: {"type": "string", "format": "date-time"},
    filters.as_json: {"type": "string", "contentMediaType": "application/json"},
}

_TAGS: Final = {
    "tags": "Objects that have all of these tags.",
    "tags-any": "Objects that have any of these tags.",
    "not-tags": "Objects that don't have all of these tags.",
    "not-tags-any": "Objects that have none of these tags.",
}
_WHOLE: Final[Schema] = {
    "anyOf": [{"type": "integer", "minimum": 1 - 10**17, "maximum": 10**18 - 1}, {"const": "infinite"}]
}

IF_MATCH: Final[Parameter] = {
    "name": "If-Match",
    "in": "header",
    "description": (
        "The revision that is to be changed, as an ETag told it, whatever statuses were shown with it. Another one, or "
        "none but weak ones: 412, and nothing is done."
    ),
    "schema": {
        "type": "string",
        "pattern": r'^(?:\*|(?:W/)?"[0-9a-f-]+"(?:, ?(?:W/)?"[0-9a-f-]+")*)$',
        "examples": ['"7-0123456789abcdef"', "*"],
    },
}
IF_NONE_MATCH: Final[Parameter] = {
    "name": "If-None-Match",
    "in": "header",
    "description": "What the client has already, as an ETag told it. If that is what there is: 304.",
    "schema": {"type": "string", "examples": ['"7-0123456789abcdef"', "*"]},
}
REQUEST_ID: Final[Mapping[str, Parameter]] = {
    "X-Openstack-Request-Id": {
        "description": "This request's id, as the logs have it.",
        "required": True,
        "schema": {"type": "string", "pattern": "^req-[0-9a-f-]{36}$"},
    },
    "X-Openstack-Global-Request-Id": {
        "description": "The id that the client gave the request in X-Openstack-Request-Id.",
        "schema": {"type": "string"},
    },
}
ETAG: Final[Mapping[str, Parameter]] = {
    "ETag": {
        "description": "The object's revision, for If-Match, and what is shown of it, for If-None-Match.",
        "required": True,
        "schema": {"type": "string", "pattern": '^"[0-9]+-[0-9a-f]{16}"$'},
    }
}


def of_path(route: Route) -> Iterator[Parameter]:
    """The parts of a path that are in angle brackets."""
    for part in route.path.split("/"):
        if part.startswith("<"):
            name = part.strip("<>")
            schema = UUID if names_object(name) else {"type": "string", "minLength": 1}
            yield {"name": name, "in": "path", "required": True, "schema": schema}


def of_query(route: Route, document: Document) -> Iterator[Parameter]:
    """
    The arguments of a route.

    @raise KeyError: it isn't known how one is written.
    """
    if document.gives is not None and document.listed:
        yield from _of_list(document.gives)
    elif route.method == "GET" and (document.selects or document.gives is not None):
        yield _fields(document.selects or document.gives.encode.keys)  # type: ignore[union-attr]
    for name, known in document.arguments.items():
        yield _argument(name, known if isinstance(known, dict) else _DECODED[known])


def of_headers(document: Document) -> Iterator[Parameter]:
    """The headers that a route looks at."""
    for name, schema in document.headers.items():
        yield {"name": name, "in": "header", "schema": schema}


def _of_list(resource: Resource[Any]) -> Iterator[Parameter]:
    sortable = sorted(name for name, known in resource.filters.items() if known.sorts)
    yield from _paging(sortable, _marker(resource))
    yield _fields(resource.encode.keys)
    if "project_id" in resource.encode.keys:
        for name in ("project_id", "tenant_id"):
            yield _argument(name, _PRINTED, "Objects of this project.")
    if "tags" in resource.encode.keys:
        for name in TAGS:
            yield _argument(name, a_list({**_PRINTED, "pattern": r"^[^\u0000,]*$"}), _TAGS[name], explode=False)
    for name, known in sorted(resource.filters.items()):
        if name not in ("project_id", "tenant_id") or "project_id" not in resource.encode.keys:
            yield _argument(name, _filter(known))


def _filter(known: Filter) -> Schema:
    """What a filter takes; nothing at all asks for objects that have none."""
    if known.told is not None:
        return dict(known.told)
    schema = _DECODED[known.decode]
    if known.how not in ("equals", "contains") or schema is _PRINTED:
        return schema
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], ""]}
    return {"anyOf": [*schema.get("anyOf", [schema]), {"const": ""}]}


def _fields(keys: Iterable[str]) -> Parameter:
    words = a_list({"type": "string", "enum": sorted(keys)}, minItems=1)
    return _argument("fields", words, "Show only these fields. It may be repeated.", explode=True)


def _marker(resource: Resource[Any]) -> Schema:
    """How an object of a list is named: as one may ask for it."""
    known = resource.filters.get(resource.key)
    return UUID if known is None else _DECODED[known.decode]


def _paging(sortable: list[str], marker: Schema) -> Iterator[Parameter]:
    words = list(DIRECTIONS)
    ordered = {"type": "string", "pattern": f"^(?:{'|'.join(sortable)})(?::(?:{'|'.join(words)}))?$"}
    schemas: Mapping[str, tuple[Schema, str]] = {
        "limit": (_WHOLE, "How many at most; less than one, or infinite: all."),
        "marker": (marker, "The last object of the page before."),
        "marker_position": (_PRINTED, "Where that stood, as a link of this API says it."),
        "page_reverse": ({"type": "string", "enum": ["true", "false", "True", "False"]}, "The page before the marker."),
        "sort": (a_list(ordered, minItems=1), "Keys, each with or without a direction."),
        "sort_key": (a_list({"type": "string", "enum": sortable}, minItems=1), "Keys, where sort isn't given."),
        "sort_dir": (a_list({"type": "string", "enum": words}, minItems=1), "Their directions."),
    }
    for name in PAGING:
        schema, description = schemas[name]
        yield _argument(name, schema, description, **({"explode": False} if schema.get("type") == "array" else {}))


def _argument(name: str, schema: Schema, description: str | None = None, **style: Any) -> Parameter:
    told = {} if description is None else {"description": description}
    return {"name": name, "in": "query", **told, **style, "schema": schema}
