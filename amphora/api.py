"""The agent's REST, as controllers call it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any, Final
from uuid import UUID

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest
from werkzeug.exceptions import HTTPException

from amphora import system
from amphora.certificates import AbsentFile, BadName, NoMemory
from amphora.fence import StaleFence
from amphora.haproxy import StartFailed
from amphora.load_balancer import Absent, Invalid, LoadBalancer, checksum
from amphora.registry import LoadBalancers
from amphora.runner import ReloadRefused
from amphora.settings import BadSettings
from octavia_tx.wire.rest import API_VERSION, FENCE_HEADER, REQUEST_ID_HEADER

_FENCE_LIMIT: Final = 2**63
# What a failure of each kind answers: status and message; its text are the details.
_ANSWERS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (Invalid, 400, "Invalid request"),
    (BadSettings, 400, "Invalid request"),
    (BadName, 400, "Filename has wrong format"),
    (StaleFence, 409, "Stale fence"),
    (StartFailed, 500, "Error starting haproxy"),
    (ReloadRefused, 500, "Error reloading haproxy"),
    (NoMemory, 500, "Certificates can't be kept"),
    (CancelledError, 503, "The agent is ending"),
    (OSError, 500, "The agent can't read or write its files"),
)
_ACTIONS: Final[dict[str, Callable[[LoadBalancer, int | None], Deferred[Any]]]] = {
    "drain": LoadBalancer.drain,
    "start": LoadBalancer.start,
    "stop": LoadBalancer.stop,
    "reload": LoadBalancer.reload,
}


class Malformed(Exception):
    """The request can't be read."""


class AgentApi:
    """
    What controllers may ask of this amphora.

    @ivar app: the routes.
    """

    app = Klein()
    log = Logger()

    def __init__(
        self,
        reactor: Any,
        amphora_id: str,
        haproxy: str,
        load_balancers: LoadBalancers,
        renew: Callable[[bytes], Awaitable[None]],
    ) -> None:
        self._reactor = reactor
        self._renew = renew
        self._amphora_id = amphora_id
        self._haproxy = haproxy
        self._load_balancers = load_balancers

    @app.route("/", methods=["GET"])
    def version(self, request: IRequest) -> bytes:
        """Which API this is."""
        return _json(request, 200, {"api_version": API_VERSION})

    @app.route("/1.0/info", methods=["GET"])
    async def info(self, request: IRequest) -> bytes:
        """Which programs run here."""
        return _json(request, 200, system.info(await system.haproxy_version(self._reactor, self._haproxy)))

    @app.route("/1.0/details", methods=["GET"])
    async def details(self, request: IRequest) -> bytes:
        """The same, and how the machine does."""
        version = await system.haproxy_version(self._reactor, self._haproxy)
        all_of = self._load_balancers.all()
        ours = {
            "haproxy_count": sum(lb.life.serves() for lb in all_of),
            "listeners": sorted(i for lb in all_of for i in lb.listeners()),
        }
        return _json(request, 200, system.info(version) | system.figures() | ours)

    @app.route("/1.0/listeners", methods=["GET"])
    def listeners(self, request: IRequest) -> bytes:
        """Which listeners there are, and whether they are served."""
        found = [
            {"status": "ACTIVE" if lb.life.serves() else "OFFLINE", "uuid": listener, "type": kind}
            for lb in self._load_balancers.all()
            for listener, kind in lb.listeners().items()
        ]
        return _json(request, 200, found)

    @app.route("/1.0/loadbalancer/<uuid:amphora>/<uuid:identifier>/haproxy", methods=["PUT"])
    async def upload(self, request: IRequest, amphora: UUID, identifier: UUID) -> bytes:
        """Put a configuration in place."""
        if str(amphora) != self._amphora_id:
            return _json(request, 404, _said("Amphora Not Found", f"This is amphora {self._amphora_id}."))
        text = request.content.read()
        if not text.strip():
            raise Malformed("The body must be haproxy's configuration.")
        digest = await self._logged(request, self._load_balancers.place(str(identifier)).upload(text, _fence(request)))
        request.setHeader("ETag", digest)
        return _json(request, 202, {"message": "OK"})

    @app.route("/1.0/loadbalancer/<uuid:identifier>/haproxy", methods=["GET"])
    def configuration(self, request: IRequest, identifier: UUID) -> bytes:
        """The configuration in place."""
        return _text(request, self._load_balancers.find(str(identifier)))

    @app.route("/1.0/loadbalancer/<uuid:_amphora>/<uuid:identifier>/haproxy", methods=["GET"])
    def configuration_of(self, request: IRequest, _amphora: UUID, identifier: UUID) -> bytes:
        """The same, where it was put."""
        return _text(request, self._load_balancers.find(str(identifier)))

    @app.route("/1.0/loadbalancer/<uuid:identifier>/certificates", methods=["GET"])
    def certificates(self, request: IRequest, identifier: UUID) -> bytes:
        """Which files with certificates there are, by their checksums."""
        return _json(request, 200, {"certificates": self._load_balancers.place(str(identifier)).certificates.digests()})

    @app.route("/1.0/loadbalancer/<uuid:identifier>/certificates/<name>", methods=["PUT"])
    async def put_certificate(self, request: IRequest, identifier: UUID, name: str) -> bytes:
        """Put a file with a certificate in place. Its content is never told."""
        load_balancer, content = self._load_balancers.place(str(identifier)), request.content.read()
        if not content.strip():
            raise Malformed("The body must be a certificate.")

        async def put() -> str:
            return load_balancer.certificates.put(name, content)

        digest = await self._logged(request, load_balancer.alone(_fence(request), put))
        request.setHeader("ETag", digest)
        return _json(request, 200, {"message": "OK"})

    @app.route("/1.0/loadbalancer/<uuid:identifier>/certificates/<name>", methods=["GET"])
    def certificate(self, request: IRequest, identifier: UUID, name: str) -> bytes:
        """The checksum of a file with a certificate."""
        digest = checksum(self._load_balancers.place(str(identifier)).certificates.read(name))
        request.setHeader("ETag", digest)
        return _json(request, 200, {"md5sum": digest})

    @app.route("/1.0/loadbalancer/<uuid:identifier>/certificates/<name>", methods=["DELETE"])
    async def delete_certificate(self, request: IRequest, identifier: UUID, name: str) -> bytes:
        """Remove a file with a certificate, if there is one."""
        load_balancer = self._load_balancers.place(str(identifier))

        async def delete() -> None:
            load_balancer.certificates.delete(name)

        await self._logged(request, load_balancer.alone(_fence(request), delete))
        return _json(request, 200, {"message": "OK"})

    @app.route("/1.0/loadbalancer/<uuid:identifier>/<action>", methods=["PUT"])
    async def act(self, request: IRequest, identifier: UUID, action: str) -> bytes:
        """Start, drain, stop or reload haproxy."""
        act = _ACTIONS.get(action)
        if act is None:
            return _json(request, 400, _said("Invalid Request", f"Unknown action: {action}"))
        load_balancer = self._load_balancers.find(str(identifier))
        left = await self._logged(request, act(load_balancer, _fence(request)))
        connections = {} if left is None else {"connections": left}
        return _json(request, 202, _said("OK", f"{action} of {identifier} done") | connections)

    @app.route("/1.0/listeners/<uuid:identifier>", methods=["DELETE"])
    async def remove(self, request: IRequest, identifier: UUID) -> bytes:
        """Forget a load balancer."""
        await self._logged(request, self._load_balancers.place(str(identifier)).remove(_fence(request)))
        return _json(request, 200, {"message": "OK"})

    @app.route("/1.0/config", methods=["PUT"])
    async def configure(self, request: IRequest) -> bytes:
        """Go by these settings of the agent's own from now on."""
        await self._logged(request, self._renew(request.content.read()))
        return _json(request, 202, {"message": "OK"})

    @app.handle_errors(Absent)
    def absent(self, request: IRequest, failure: Failure) -> bytes:
        """There's no such load balancer."""
        return _json(request, 404, _said("Listener Not Found", f"No listener with UUID: {failure.value}"))

    @app.handle_errors(AbsentFile)
    def absent_file(self, request: IRequest, failure: Failure) -> bytes:
        """There's no such file with a certificate."""
        said = _said("Certificate Not Found", f"No certificate with filename: {failure.value}")
        return _json(request, 404, said)

    @app.handle_errors(HTTPException)
    def refused(self, request: IRequest, failure: Failure) -> bytes:
        """An unknown path, or a method that it doesn't have."""
        error: Any = failure.value
        for name, value in error.get_headers():
            if name == "Allow":
                request.setHeader(name, value)
        return _refusal(request, error.code, f"{error.name}: {error.description}")

    @app.handle_errors(Malformed)
    def malformed(self, request: IRequest, failure: Failure) -> bytes:
        """It can't be read."""
        return _refusal(request, 400, f"Bad Request: {failure.value}")

    @app.handle_errors(*(kind for kind, _status, _message in _ANSWERS))
    def failed(self, request: IRequest, failure: Failure) -> bytes:
        """See the table."""
        status, message = next((s, m) for kind, s, m in _ANSWERS if failure.check(kind))
        return _json(request, status, _said(message, str(failure.value)))

    async def _logged(self, request: IRequest, change: Awaitable[Any]) -> Any:
        try:
            result = await change
        except (Invalid, BadName, BadSettings, NoMemory, StaleFence, StartFailed, ReloadRefused, OSError) as e:
            self._log(request, f"{type(e).__name__}: {e}")
            raise
        self._log(request, "done")
        return result

    def _log(self, request: IRequest, outcome: str) -> None:
        asked = request.getHeader(REQUEST_ID_HEADER)
        path = request.uri.decode("ascii", "replace")
        method = request.method.decode("ascii", "replace")
        self.log.info(
            "{method} {path} ({request_id}): {outcome}", method=method, path=path, request_id=asked, outcome=outcome
        )


def _json(request: IRequest, status: int, body: object) -> bytes:
    request.setResponseCode(status)
    request.setHeader("Content-Type", "application/json")
    return json.dumps(body).encode()


def _text(request: IRequest, load_balancer: LoadBalancer) -> bytes:
    text = load_balancer.text()
    request.setHeader("ETag", checksum(text))
    request.setHeader("Content-Type", "text/plain; charset=utf-8")
    return text


def _said(message: str, details: str) -> dict[str, str]:
    return {"message": message, "details": details}


def _refusal(request: IRequest, status: int, sentence: str) -> bytes:
    return _json(request, status, {"error": f"{status} {sentence}", "http_code": status})


def _fence(request: IRequest) -> int | None:
    given = request.getHeader(FENCE_HEADER)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and int(given[:20]) < _FENCE_LIMIT and len(given) < 20):
        raise Malformed(f"{FENCE_HEADER} must be an integer from 0 to {_FENCE_LIMIT - 1}.")
    return int(given)
