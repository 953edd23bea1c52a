"""The whole API: every resource's routes under both prefixes, and each request's way from HTTP to its verb."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from typing import Any

from attrs import evolve
from klein import Klein
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.web.resource import IResource
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException

from octavia_tx import tracing
from octavia_tx.api import (
    amphorae,
    availabilityzoneprofiles,
    availabilityzones,
    configuration,
    events,
    flavorprofiles,
    flavors,
    front,
    healthmonitors,
    history,
    l7policies,
    l7rules,
    leases,
    listeners,
    loadbalancers,
    members,
    openapi,
    pools,
    providers,
    query,
    quotas,
    spares,
    usage,
    versions,
)
from octavia_tx.api.call import Answer, Call, Parts, revisions
from octavia_tx.api.codec import shown
from octavia_tx.api.errors import fault
from octavia_tx.api.filters import yes_or_no
from octavia_tx.api.policy import ADMIN, RULES
from octavia_tx.api.rehearsal import Rehearsal
from octavia_tx.api.resource import Document, Route, Served
from octavia_tx.api.stream import Stream
from octavia_tx.api.types import PROJECT_ID, canonical_uuid
from octavia_tx.errors import Forbidden, InvalidInput, OctaviaError, RequestError
from octavia_tx.model.caller import Caller
from octavia_tx.shielding import shielded

_NOBODY = Caller(project_id=None)
_TREES = (loadbalancers, listeners, pools, members, healthmonitors, l7policies, l7rules)
"""What hangs on load balancers, with its revision."""
_RESOURCES = (*_TREES, quotas, providers, flavors, flavorprofiles, availabilityzones, availabilityzoneprofiles)
_OPERATORS = (amphorae, configuration, events, history, leases, spares, usage)
_PREFIXES = ("/v2/lbaas", "/v2.0/lbaas", "/v2", "/v2.0")
"""The last two for clients that don't know the first: gophercloud asks there for quotas."""
_OPERATORS_PREFIXES = ("/v2/octavia", "/v2.0/octavia")
_DRY_RUN = "dry_run"
_VERSIONS = ("", *_PREFIXES)
_DESCRIBED = ("/v2/openapi.json", "/v2.0/openapi.json")
_DISCOVERY = Document(summary="The versions of the API.", shows=versions.SHAPE)
_DESCRIPTION = Document(summary="This document.", shows={"type": "object"})


def served(further: Iterable[Served] = ()) -> tuple[Served, ...]:
    """
    All of the API, with a description of all that is served.

    @param further: what is served beside it.
    @raise KeyError: there's a route that no rule is for.
    """
    describe = partial(_describe, cache(lambda: openapi.document(whole)))
    discovery = Route("GET", "versions", versions.show_versions, _DISCOVERY)
    described = Route("GET", "openapi.json", describe, _DESCRIPTION)
    whole = (
        *_below(_PREFIXES, _RESOURCES),
        *_below(_OPERATORS_PREFIXES, _OPERATORS),
        *(Served(path, discovery, RULES["GET versions"]) for path in _VERSIONS),
        *(Served(path, described, RULES["GET openapi.json"]) for path in _DESCRIBED),
        *further,
    )
    return whole


def _below(prefixes: tuple[str, ...], resources: tuple[Any, ...]) -> Iterator[Served]:
    for prefix in prefixes:
        for resource in resources:
            for route in resource.ROUTES:
                rule = RULES[f"{route.method} {route.path}"]
                yield Served(f"{prefix}/{route.path}", _tried(route), rule, resource in _TREES)


def _tried(route: Route) -> Route:
    """The same; of one that changes anything, the document tells of the argument."""
    document = route.document
    if document is None or route.method == "GET":
        return route
    return evolve(route, document=evolve(document, arguments={**document.arguments, _DRY_RUN: yes_or_no}))


async def _describe(document: Callable[[], dict[str, Any]], call: Call) -> Answer:
    query.only(call.arguments)
    return Answer(200, document())


class Api:
    """
    The tenants' and operators' API. Stateless: any number may serve one database.

    @param further: what is served beside L{served}.
    """

    log = Logger()

    def __init__(self, parts: Parts, further: Iterable[Served] = ()) -> None:
        self._parts = parts
        self._working: set[Deferred[Answer]] = set()
        self._app = Klein()
        self._app.url_map.merge_slashes = False
        self._app.handle_errors(HTTPException)(front.unrouted)
        for each in served(further):
            self._register(each)

    def resource(self) -> IResource:
        """What an HTTP server serves."""
        return front.Front(self._app.resource())

    async def drain(self) -> None:
        """
        Wait until the requests under way have done their work, also those whose client has gone. Streams end at once.
        """
        self._parts.hub.close()
        await DeferredList(list(self._working))

    def _register(self, served: Served) -> None:
        def handle(request: Request, **ids: str) -> Deferred[Any]:
            return self._serve(served, request, ids)

        # Two rules, for a rule without strict slashes tells a wrong method as a wrong path.
        for path in (served.path or "/", f"{served.path}/"):
            self._app.route(path, methods=[served.route.method], endpoint=f"{served.route.method} {path}")(handle)

    def _serve(self, served: Served, request: Request, ids: dict[str, str]) -> Deferred[Any]:
        request_ids = front.identify(request)
        with tracing.of(request_ids):
            # Read now: whoever hangs up takes what they sent along.
            body = b"" if served.route.method == "GET" else front.read_body(request)
            work = Deferred.fromCoroutine(self._work(served, request, request_ids.own, ids, body))
        self._working.add(work)
        work.addBoth(self._worked, work)
        return shielded(work).addCallback(partial(self._answer, request))

    def _answer(self, request: Request, answer: Answer) -> bytes | Deferred[None]:
        return front.write(request, answer) if answer.feed is None else Stream(request, answer.feed).begin()

    def _worked(self, result: Any, work: Deferred[Answer]) -> Any:
        self._working.discard(work)
        return result

    async def _work(
        self, served: Served, request: Request, request_id: str, ids: dict[str, str], body: bytes
    ) -> Answer:
        route = served.route
        try:
            call = await self._call(served, request, request_id, ids, body)
            answer = await route.verb(call)
            if call.rehearsal is not None:
                answer = Answer(200, call.rehearsal.told(self._parts.preview, answer.status, answer.body))
        except OctaviaError as error:
            answer = self._refusal(error)
            if answer.status >= 500:
                self.log.warn(
                    "{method} {path} failed: {error}",
                    method=route.method,
                    path=route.path,
                    error=str(error),
                    request_id=request_id,
                )
        except BaseException as error:  # noqa: BLE001  the boundary: whatever it is, the client gets an answer
            self.log.failure("{method} {path} broke", method=route.method, path=route.path, request_id=request_id)
            answer = self._refusal(error)
        if route.method != "GET":
            self.log.info(
                "{method} {path}: {status}",
                method=route.method,
                path=route.path,
                status=answer.status,
                ids=call_ids(ids, answer),
                request_id=request_id,
            )
        return answer

    async def _call(self, served: Served, request: Request, request_id: str, ids: dict[str, str], body: bytes) -> Call:
        """The request, once it is known that its caller may make such a one at all."""
        rule = served.rule
        caller = _NOBODY if rule.public else await self._parts.identity.caller(front.presented(request))
        if not rule.at_all(caller):
            raise Forbidden("Policy does not allow this request to be performed.")
        arguments = query.arguments(request.uri)
        rehearsal, arguments = _rehearsal(caller, arguments) if served.writes else (None, arguments)
        return Call(
            parts=self._parts,
            caller=caller,
            rule=rule,
            request_id=request_id,
            origin=front.origin(request, self._parts.base_uri),
            path=front.path(request),
            arguments=arguments,
            ids={name: _spelled(name, value) for name, value in ids.items()},
            expected=_expected(served, front.said(request, b"If-Match")),
            last_event=front.said(request, b"Last-Event-ID"),
            rehearsal=rehearsal,
            media=getattr(request, "media", None),
            coding=front.said(request, b"Content-Encoding"),
            body=body,
        )

    def _refusal(self, error: BaseException) -> Answer:
        status, body = fault(error)
        challenge = self._parts.identity.challenge
        headers = {"WWW-Authenticate": challenge} if status == 401 and challenge else {}
        return Answer(status, body, headers=headers)


def _spelled(name: str, value: str) -> str:
    """An id out of a path: a UUID as it is usually spelled. Projects are keystone's, which spells theirs otherwise."""
    if name == "name":
        return value
    if name == "project_id":
        return PROJECT_ID.decode(value, name)
    return canonical_uuid(value) or shown(value)


def _expected(served: Served, header: str | None) -> frozenset[int] | None:
    """The revisions that C{If-Match} wants. Where objects have none, it can't be heeded, and isn't passed over."""
    if header is not None and served.route.method in ("PUT", "DELETE") and not served.conditional:
        raise InvalidInput("header If-Match", header, "no such header here, for these objects have no revisions")
    return revisions(header)


def call_ids(ids: dict[str, str], answer: Answer) -> tuple[str, ...]:
    """The ids that a log line needs: those of the path, and that of what was made."""
    made = [value["id"] for value in (answer.body or {}).values() if isinstance(value, dict) and "id" in value]
    return (*ids.values(), *made)


def _rehearsal(caller: Caller, arguments: query.Arguments) -> tuple[Rehearsal | None, query.Arguments]:
    """
    Whether the change shall only be tried, and the arguments that are left.

    @raise RequestError: that is said twice, or in no way that is known.
    @raise Forbidden: it shall, and the caller is no administrator.
    """
    asked = [value for name, value in arguments if name == _DRY_RUN]
    rest = tuple((name, value) for name, value in arguments if name != _DRY_RUN)
    if len(asked) > 1:
        raise RequestError(f"Repeated argument '{_DRY_RUN}'. Accepted: once, true or false.")
    if not asked or not yes_or_no(_DRY_RUN, asked[0]):
        return None, rest
    if not ADMIN.everywhere(caller):
        raise Forbidden("Policy does not allow this request to be performed: dry runs are for administrators.")
    return Rehearsal(), rest
