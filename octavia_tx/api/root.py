"""The whole API: every resource's routes under both prefixes, and each request's way from HTTP to its verb."""

from __future__ import annotations

from typing import Any

from klein import Klein
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.web.resource import IResource
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException

from octavia_tx.api import front, healthmonitors, listeners, loadbalancers, members, pools, providers, query, versions
from octavia_tx.api.call import Answer, Call, Parts
from octavia_tx.api.codec import shown
from octavia_tx.api.errors import fault
from octavia_tx.api.identity import IIdentity, NoAuth
from octavia_tx.api.resource import Route
from octavia_tx.api.types import canonical_uuid
from octavia_tx.db.database import Database
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import OctaviaError
from octavia_tx.interfaces import INetworkDriver

_RESOURCES = (loadbalancers, listeners, pools, members, healthmonitors, providers)
_PREFIXES = ("/v2/lbaas", "/v2.0/lbaas")
_VERSIONS = ("", "/v2", "/v2.0", *_PREFIXES)

_ROUTES = tuple(
    Route(route.method, f"{prefix}/{route.path}", route.verb)
    for prefix in _PREFIXES
    for resource in _RESOURCES
    for route in resource.ROUTES
) + tuple(Route("GET", path, versions.show_versions) for path in _VERSIONS)


class Api:
    """
    The tenants' API. Stateless: any number may serve one database.

    @param network: asked about the subnets and networks that requests name.
    @param identity: who a request comes from; without one, everyone may do everything.
    """

    log = Logger()

    def __init__(
        self,
        reactor: IReactorTime,
        database: Database,
        providers: Providers,
        network: INetworkDriver,
        identity: IIdentity | None = None,
    ) -> None:
        self._parts = Parts(reactor, database, providers, network, NoAuth() if identity is None else identity)
        self._working: set[Deferred[Answer]] = set()
        self._app = Klein()
        self._app.url_map.merge_slashes = False
        self._app.handle_errors(HTTPException)(front.unrouted)
        for route in _ROUTES:
            self._register(route)

    def resource(self) -> IResource:
        """What an HTTP server serves."""
        return front.Front(self._app.resource())

    async def drain(self) -> None:
        """Wait until the requests under way have done their work, also those whose client has gone."""
        await DeferredList(list(self._working))

    def _register(self, route: Route) -> None:
        def handle(request: Request, **ids: str) -> Deferred[bytes]:
            return self._serve(route, request, ids)

        # Two rules, for a rule without strict slashes tells a wrong method as a wrong path.
        for path in (route.path or "/", f"{route.path}/"):
            self._app.route(path, methods=[route.method], endpoint=f"{route.method} {path}")(handle)

    def _serve(self, route: Route, request: Request, ids: dict[str, str]) -> Deferred[bytes]:
        request_id = front.identify(request)
        work = Deferred.fromCoroutine(self._work(route, request, request_id, ids))
        self._working.add(work)
        work.addBoth(self._worked, work)
        return front.shielded(work).addCallback(lambda answer: front.write(request, answer.status, answer.body))

    def _worked(self, result: Any, work: Deferred[Answer]) -> Any:
        self._working.discard(work)
        return result

    async def _work(self, route: Route, request: Request, request_id: str, ids: dict[str, str]) -> Answer:
        reads = route.method == "GET"
        body = b"" if reads else front.read_body(request)
        try:
            call = Call(
                self._parts,
                await self._parts.identity.caller(request),
                request_id,
                front.origin(request),
                query.arguments(request.uri),
                {name: canonical_uuid(value) or shown(value) for name, value in ids.items()},
                body,
            )
            answer = await route.verb(call)
        except OctaviaError as error:
            answer = Answer(*fault(error))
            if answer.status >= 500:
                self.log.warn(
                    "{method} {path} failed: {error}",
                    method=route.method,
                    path=route.path,
                    error=str(error),
                    request_id=request_id,
                )
        except Exception as error:  # noqa: BLE001  the boundary: whatever it is, the client gets an answer
            self.log.failure("{method} {path} broke", method=route.method, path=route.path, request_id=request_id)
            answer = Answer(*fault(error))
        if not reads:
            self.log.info(
                "{method} {path}: {status}",
                method=route.method,
                path=route.path,
                status=answer.status,
                ids=call_ids(ids, answer),
                request_id=request_id,
            )
        return answer


def call_ids(ids: dict[str, str], answer: Answer) -> tuple[str, ...]:
    """The ids that a log line needs: those of the path, and that of what was made."""
    made = [value["id"] for value in (answer.body or {}).values() if isinstance(value, dict) and "id" in value]
    return (*ids.values(), *made)
