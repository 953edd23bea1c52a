"""
The API as an OpenAPI 3.1 document, made of the table that serves it.

A route that is served at several paths is described at the first one. What a document can't tell of a route is an
error, never a gap: see L{Undocumented}.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from attrs import define, field, fields_dict

from octavia_tx.api import parameters, schemas, shapes, versions
from octavia_tx.api.codec import Variant
from octavia_tx.api.policy import Rule
from octavia_tx.api.refusals import REFUSALS, SCHEMAS, refused
from octavia_tx.api.rehearsal import DRY_RUN
from octavia_tx.api.resource import Document, Resource, Route, Served
from octavia_tx.api.shapes import LINK, TEXT, Schema, a_list, an_object
from octavia_tx.api.types import LONGEST_LIST

_INTRODUCTION = """\
Load balancing as a service, as OpenStack's clients know it.

All paths below `/v2` are served below `/v2.0`, too, and all with a slash at their end.
Times are in UTC. A null in a request means the field's default. `tenant_id` is another name for `project_id`.
"""
_TOKEN = {
    "type": "apiKey",
    "in": "header",
    "name": "X-Auth-Token",
    "description": "A token of keystone's. Where the service believes everyone, none is asked for.",
}


class Undocumented(Exception):
    """A route of which too little is known to describe it."""

    def __init__(self, route: Route, missing: str) -> None:
        super().__init__(f"{route.method} {route.path}: {missing}.")


def document(served: Iterable[Served]) -> dict[str, Any]:
    """
    Describe all that is served.

    @raise Undocumented: a route doesn't tell what it takes or gives.
    """
    first: dict[tuple[str, str], Served] = {}
    paths: dict[tuple[str, str], list[str]] = {}
    for each in served:
        route = each.route.method, each.route.path
        first.setdefault(route, each)
        paths.setdefault(route, []).append(_template(each.path))
    writing = _Writing(tuple(first.values()))
    written: dict[str, dict[str, Any]] = {}
    for route, each in first.items():
        operation = writing.operation(each)
        if len(paths[route]) > 1:
            operation["x-also-at"] = paths[route][1:]
        written.setdefault(_template(each.path), {})[each.route.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "Octavia-TX", "version": versions.NEWEST, "description": _INTRODUCTION},
        "paths": dict(sorted(written.items())),
        "components": {
            "schemas": dict(sorted({**SCHEMAS, **writing.schemas}.items())),
            "responses": {refusal.name: refusal.response() for refusal in REFUSALS.values()},
            "securitySchemes": {"token": _TOKEN},
        },
        "tags": [{"name": tag} for tag in sorted({tag for o in _operations(written) for tag in o["tags"]})],
    }


def _operations(paths: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for methods in paths.values():
        yield from methods.values()


def _template(path: str) -> str:
    return path.replace("<", "{").replace(">", "}") or "/"


@define
class _Writing:
    """
    A document that is being written.

    @ivar schemas: the components that operations have referred to so far.
    """

    every: tuple[Served, ...]
    schemas: dict[str, Schema] = field(factory=dict)

    def operation(self, served: Served) -> dict[str, Any]:
        """One path's method."""
        route, rule = served.route, served.rule
        if route.document is None:
            raise Undocumented(route, "there is no Document")
        about = route.document
        owner = self._owner(route)
        written = {
            "operationId": _identifier(route),
            "tags": [_tag(route) if owner is None else owner.plural],
            "summary": about.summary,
            "description": _asked(rule),
            "parameters": self._parameters(served, about),
            "responses": self._responses(served, about),
            "security": [] if rule.public else [{"token": []}],
        }
        if about.raw:
            written["requestBody"] = {"required": True, "content": {media: {"schema": TEXT} for media in about.raw}}
        elif about.takes is not None:
            written["requestBody"] = self._body(about, owner)
        if not rule.public:
            written["x-roles"] = {"own": sorted(rule.own), "every": sorted(rule.every)}
        return written

    def _owner(self, route: Route) -> Resource[Any] | None:
        """The kind of object that a path is about: that of the longest path that it begins with."""
        documents = (each.route.document for each in self.every)
        resources = [about.gives for about in documents if about is not None and about.gives is not None]
        found = [each for each in resources if f"{route.path}/".startswith(f"{each.path}/")]
        return max(found, key=lambda each: len(each.path), default=None)

    def _parameters(self, served: Served, about: Document) -> list[dict[str, Any]]:
        route = served.route
        try:
            found = [
                *parameters.of_path(route),
                *parameters.of_query(route, about),
                *parameters.of_headers(about),
            ]
        except KeyError as error:
            raise Undocumented(route, f"no schema is known for what {error} reads") from None
        if _tagged(route, about):
            found.append(parameters.IF_NONE_MATCH)
        return [*found, parameters.IF_MATCH] if served.conditional else found

    def _body(self, about: Document, owner: Resource[Any] | None) -> dict[str, Any]:
        takes = about.takes
        assert takes is not None
        variant: Variant = "create" if about.creates else "change"
        self.schemas |= schemas.components(takes, variant)
        one = schemas.referred(schemas.component(takes, variant))
        if about.many:
            plural = f"{takes.name}s" if owner is None else owner.plural
            body = an_object(**{plural: a_list(one, maxItems=LONGEST_LIST)})
        else:
            body = one if about.bare else an_object(**{takes.name: one})
        return {"required": True, "content": {"application/json": {"schema": body}}}

    def _responses(self, served: Served, about: Document) -> dict[str, dict[str, Any]]:
        route, rule = served.route, served.rule
        wanted = refused(
            public=rule.public,
            named="<" in route.path or about.takes is not None or bool(about.raw),
            writes=served.writes,
            conditional=served.conditional,
            body=about.takes is not None or bool(about.raw),
        )
        refusals = {str(status): _refusal(status, about) for status in wanted}
        answers = {str(about.status): self._answer(route, about), **refusals}
        if _tagged(route, about):
            answers["304"] = {
                "description": "The client has it.",
                "headers": {**parameters.REQUEST_ID, **parameters.ETAG},
            }
        return self._rehearsed(answers) if served.writes else answers

    def _rehearsed(self, answers: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """The same, where C{dry_run} may be asked for: 200 tells then what the change would come to."""
        self.schemas["rehearsal"] = DRY_RUN
        told = schemas.referred("rehearsal")
        usual = answers.get("200")
        if usual is None:
            rehearsal = {"description": "With dry_run: what it would come to.", "headers": dict(parameters.REQUEST_ID)}
            return {"200": {**rehearsal, "content": {"application/json": {"schema": told}}}, **answers}
        schema = {"anyOf": [usual["content"]["application/json"]["schema"], told]}
        headers = {
            name: {**header, "required": False} if name in parameters.ETAG else header
            for name, header in usual["headers"].items()
        }
        answer = {**usual, "headers": headers, "content": {"application/json": {"schema": schema}}}
        return {**answers, "200": answer}

    def _answer(self, route: Route, about: Document) -> dict[str, Any]:
        headers = dict(parameters.REQUEST_ID)
        gives, shown = about.gives, about.shows
        if gives is not None:
            shown = self._objects(route, gives) if about.listed else self._object(route, gives)
            headers |= parameters.ETAG if not about.listed and _revised(gives) else {}
        answer = {"description": about.summary, "headers": headers}
        if shown is None:
            if about.status not in (202, 204):
                raise Undocumented(route, f"nothing tells what an answer {about.status} shows")
            return answer
        return {**answer, "content": {about.media: {"schema": shown}}}

    def _object(self, route: Route, gives: Resource[Any]) -> Schema:
        shown = self._shape(gives)
        return an_object(**{gives.name: self._chosen(gives) if route.method == "GET" else shown})

    def _objects(self, route: Route, gives: Resource[Any]) -> Schema:
        self._shape(gives)
        return an_object(**{gives.plural: a_list(self._chosen(gives)), gives.links: a_list(LINK)})

    def _shape(self, gives: Resource[Any]) -> Schema:
        self.schemas[gives.name] = gives.shape()
        return schemas.referred(gives.name)

    def _chosen(self, gives: Resource[Any]) -> Schema:
        """All of an object, or what C{fields} chooses of it."""
        some = f"{gives.name}_fields"
        self.schemas[some] = shapes.some(gives.shape())
        return {"anyOf": [schemas.referred(gives.name), schemas.referred(some)]}


def _refusal(status: int, about: Document) -> dict[str, Any]:
    """One of those that are told once for all, or a route's own."""
    if about.faults is not None and status in (400, 403, 404, 409):
        return REFUSALS[status].response(about.faults)
    return {"$ref": f"#/components/responses/{REFUSALS[status].name}"}


def _identifier(route: Route) -> str:
    words = route.path.replace("<", "").replace(">", "").replace(".", "_").split("/")
    return "_".join((route.method.lower(), *words))


def _tag(route: Route) -> str:
    return route.path.partition("/")[0]


def _asked(rule: Rule) -> str:
    """Which roles a rule asks for, as a sentence."""
    if rule.public:
        return "Needs no token."
    every = f"For every project: {', '.join(sorted(rule.every))}."
    return f"Roles for one's own project: {', '.join(sorted(rule.own))}. {every}" if rule.own else f"Roles. {every}"


def _revised(resource: Resource[Any]) -> bool:
    return "revision" in fields_dict(resource.rows.model)


def _tagged(route: Route, about: Document) -> bool:
    """Whether C{If-None-Match} is looked at: where an object is shown with its revision."""
    return route.method == "GET" and about.gives is not None and not about.listed and _revised(about.gives)
