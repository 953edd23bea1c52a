"""The API for amphorae: from it an agent learns what to serve, at its start or on a notice that work is waiting."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from attrs import asdict, field, frozen
from klein import Klein
from twisted.internet.interfaces import ITransport
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import BAD_REQUEST, CONFLICT, FORBIDDEN, NOT_FOUND, SERVICE_UNAVAILABLE
from twisted.web.iweb import IRequest
from twisted.web.resource import IResource, Resource
from twisted.web.server import Request
from werkzeug.exceptions import HTTPException

from octavia_tx.controller.secrets import secrets_of
from octavia_tx.db import amphorae, leases, load_balancers
from octavia_tx.db.database import Database
from octavia_tx.errors import DatabaseUnavailable, NotFound, OctaviaError
from octavia_tx.interfaces import ICertificateManager
from octavia_tx.model.certificates import Secrets
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.statuses import AmphoraState, ProvisioningStatus
from octavia_tx.model.tree import Tree
from octavia_tx.wire.logs import LogTerms, encode
from octavia_tx.wire.tls import identity_of

_log = Logger()


class Forbidden(OctaviaError):
    """An amphora asks for what is another's."""


class Overtaken(OctaviaError):
    """An amphora tells of what isn't the last word any more."""


_STATUS: tuple[tuple[type[OctaviaError], int], ...] = (
    (Forbidden, FORBIDDEN),
    (NotFound, NOT_FOUND),
    (Overtaken, CONFLICT),
    (DatabaseUnavailable, SERVICE_UNAVAILABLE),
)


@frozen(kw_only=True)
class Served:
    """
    A load balancer as its amphora gets it.

    @ivar fence: the agent refuses a lower one from now on.
    @ivar haproxy: the configuration.
    @ivar certificates: the files that it names.
    @ivar logs: on which terms its access log is shipped, if it has one.
    """

    id: str
    fence: int
    revision: int
    haproxy: str
    certificates: Mapping[str, str] = field(repr=False)
    logs: Mapping[str, Any] | None = field(repr=False)


class AmphoraApi:
    """
    Answers amphorae, each about itself alone.

    @param render: a tree of living objects and the amphora's id to haproxy's configuration.
    @param files: the same tree, and what its references stand for, to the files that the configuration names.
    @param manager: who keeps certificates; C{None}: nobody.
    @param identity: who is at the other end of a connection.
    @param log_terms: on which a load balancer's access log is shipped; C{None}: it has none.
    """

    def __init__(
        self,
        database: Database,
        render: Callable[[Tree, str], str],
        files: Callable[[Tree, Secrets], Mapping[str, bytes]],
        manager: ICertificateManager | None,
        identity: Callable[[ITransport], str] = identity_of,
        log_terms: Callable[[Tree], LogTerms | None] = lambda _tree: None,
    ) -> None:
        self._database = database
        self._render = render
        self._files = files
        self._manager = manager
        self._identity = identity
        self._log_terms = log_terms

    def resource(self) -> IResource:
        """The API, for a site behind TLS that lets in none but amphorae."""
        app = Klein()
        app.route("/1.0/amphorae/<amphora_id>/load_balancers", methods=["GET"])(self._load_balancers)
        app.route(
            "/1.0/amphorae/<amphora_id>/load_balancers/<load_balancer_id>/applied/<int:fence>/<int:revision>",
            methods=["PUT"],
        )(self._applied)
        app.route("/1.0/amphorae/<amphora_id>/logs", methods=["GET"])(self._logs)
        app.handle_errors(HTTPException)(_unrouted)
        return _Text(app.resource())

    async def _load_balancers(self, request: IRequest, amphora_id: str) -> bytes:
        async def answer() -> object:
            return {"load_balancers": await self._served(amphora_id)}

        return await self._answered(request, amphora_id, answer)

    async def _logs(self, request: IRequest, amphora_id: str) -> bytes:
        async def answer() -> object:
            return {"load_balancers": await self._logged(amphora_id)}

        return await self._answered(request, amphora_id, answer)

    async def _applied(
        self, request: IRequest, amphora_id: str, load_balancer_id: str, fence: int, revision: int
    ) -> bytes:
        async def answer() -> object:
            await self._record(amphora_id, load_balancer_id, fence, revision)
            return {}

        return await self._answered(request, amphora_id, answer)

    async def _answered(
        self, request: IRequest, amphora_id: str, answer: Callable[[], Coroutine[Any, Any, object]]
    ) -> bytes:
        """The answer, to this amphora alone."""
        try:
            if self._identity(request.transport) != amphora_id:  # type: ignore[attr-defined]
                raise Forbidden(f"Amphora {amphora_id} is another one.")
            body = await answer()
        except OctaviaError as error:
            _log.warn("Amphora {amphora} isn't answered: {error}", amphora=amphora_id, error=str(error))
            return _said(request, _status(error), str(error))
        request.setHeader(b"Content-Type", b"application/json")
        return json.dumps(body).encode()

    async def _logged(self, amphora_id: str) -> tuple[Mapping[str, Any], ...]:
        """On which terms what the amphora runs is logged."""
        wanted = await self._wanted(amphora_id)
        if wanted is None or (logs := self._terms(wanted[1])) is None:
            return ()
        fence, tree = wanted
        return ({"id": tree.load_balancer.id, "fence": fence, "logs": logs},)

    def _terms(self, tree: Tree) -> Mapping[str, Any] | None:
        terms = self._log_terms(tree)
        return None if terms is None else json.loads(encode(terms))

    async def _wanted(self, amphora_id: str) -> tuple[int, Tree] | None:
        """
        What the amphora should run, with the number of the newest lease. One that doesn't belong to a load balancer any
        more: nothing.
        """
        async with self._database.transaction() as tx:
            amphora = await amphorae.get(tx, amphora_id)
            if amphora is None:
                raise NotFound("Amphora", amphora_id)
            if amphora.state is not AmphoraState.ALLOCATED or amphora.load_balancer_id is None:
                return None
            row = await tx.fetch_one("amphora_api.fence", load_balancer_id=amphora.load_balancer_id)
            tree = await load_balancers.tree(tx, amphora.load_balancer_id)
        if row is None or tree is None:
            return None
        load_balancer = tree.load_balancer
        if load_balancer.vip_address is None or load_balancer.provisioning_status is ProvisioningStatus.PENDING_DELETE:
            return None
        return row["fence"], tree.living()

    async def _served(self, amphora_id: str) -> tuple[Mapping[str, Any], ...]:
        """What the amphora gets of that."""
        wanted = await self._wanted(amphora_id)
        if wanted is None:
            return ()
        fence, living = wanted
        haproxy = self._render(living, amphora_id)
        files = self._files(living, await secrets_of(living, self._manager))
        certificates = {name: content.decode() for name, content in files.items()}
        load_balancer = living.load_balancer
        served = Served(
            id=load_balancer.id,
            fence=fence,
            revision=load_balancer.revision,
            haproxy=haproxy,
            certificates=certificates,
            logs=self._terms(living),
        )
        return (asdict(served),)

    async def _record(self, amphora_id: str, load_balancer_id: str, fence: int, revision: int) -> None:
        """
        The amphora runs this revision, and nobody can have pushed another since: as after a push.

        Rows are locked in everyone's order, see L{Work.recording<octavia_tx.controller.work.Work.recording>}.

        @raise Overtaken: somebody may have, or has the lease and finds out.
        """
        async with self._database.transaction() as tx:
            found = await amphorae.lock(tx, load_balancer_id=load_balancer_id)
            serving = [a for a in found if a.state is AmphoraState.ALLOCATED]
            amphora = next((a for a in serving if a.id == amphora_id), None)
            load_balancer = await load_balancers.get(tx, load_balancer_id)
            newest = load_balancer.revision if load_balancer is not None else 0
            # The first revision is the controller's to apply: it sees to it that packets come here, too.
            if amphora is None or not 0 < amphora.applied_revision <= revision <= newest:
                raise Overtaken(f"Amphora {amphora_id} isn't to serve load balancer {load_balancer_id} at {revision}.")
            if load_balancer is not None and _is_settled(load_balancer) and amphora.applied_revision == revision:
                return
            await amphorae.record(tx, amphora_id, applied_revision=revision)
            if all(a.applied_revision >= revision for a in serving if a is not amphora):
                await load_balancers.applied(tx, load_balancer_id, revision)
            if await tx.fetch_one("amphora_api.last", load_balancer_id=load_balancer_id, fence=fence) is None:
                raise Overtaken(f"Another controller sees to load balancer {load_balancer_id}.")
            await leases.wake(tx, load_balancer_id)
        _log.info("Amphora {amphora} runs revision {revision}", amphora=amphora_id, revision=revision)


def _is_settled(load_balancer: LoadBalancer) -> bool:
    """Whether it is known that amphorae run the newest revision."""
    active = load_balancer.provisioning_status is ProvisioningStatus.ACTIVE
    return active and load_balancer.applied_revision == load_balancer.revision


class _Text(Resource):
    """Stands before the routes and turns away what they can't read: paths, hosts and methods that aren't UTF-8."""

    isLeaf = True

    def __init__(self, routes: IResource) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._routes = routes

    def render(self, request: Request) -> Any:
        """Pass the request on."""
        try:
            b"/".join([request.method, request.getRequestHostname(), *(request.postpath or ())]).decode()
            return self._routes.render(request)
        except (HTTPException, UnicodeError):
            return _said(request, BAD_REQUEST, "The request's method, host or path isn't UTF-8 text.")


def _unrouted(request: IRequest, failure: Failure) -> bytes:
    """The answer to what no route takes."""
    error = failure.value
    assert isinstance(error, HTTPException)
    for name, value in error.get_headers():
        if name == "Allow":
            request.setHeader(name, value)
    return _said(request, error.code or NOT_FOUND, f"{error.name}.")


def _said(request: IRequest, status: int, sentence: str) -> bytes:
    request.setResponseCode(status)
    request.setHeader(b"Content-Type", b"application/json")
    return json.dumps({"message": sentence}).encode()


def _status(error: OctaviaError) -> int:
    return next((status for kind, status in _STATUS if isinstance(error, kind)), SERVICE_UNAVAILABLE)
