"""How the agent answers: one place for its routes, its bodies and its failures."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final, Protocol, TypeVar
from uuid import UUID

from twisted.internet.defer import CancelledError
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web.http import RESPONSES
from twisted.web.iweb import IRequest

from amphora.certificates import AbsentFile, BadName, NoMemory
from amphora.fence import FENCE_LIMIT, StaleFence
from amphora.haproxy import StartFailed
from amphora.keepalived import KeepalivedFailed
from amphora.load_balancer import Absent, Invalid
from amphora.namespace import CommandFailed
from amphora.network import AlreadyPlugged, NetworkFailed, NoSuchAddress, VipFailed
from amphora.plugging import InvalidPlug, InvalidPort, InvalidVip, InvalidVrrp
from amphora.plumbing import NoInterface, OwnInterface
from amphora.routing import Route, Routes, Unrouted
from amphora.runner import ReloadRefused
from amphora.settings import BadSettings
from octavia_tx.wire.rest import FENCE_HEADER, REQUEST_ID_HEADER

# What a failure of each kind answers: status and message; its text are the details.
_ANSWERS: Final[tuple[tuple[type[Exception], int, str], ...]] = (
    (Invalid, 400, "Invalid request"),
    (BadSettings, 400, "Invalid request"),
    (BadName, 400, "Filename has wrong format"),
    (InvalidVip, 400, "Invalid VIP"),
    (InvalidVrrp, 400, "Invalid VRRP Address"),
    (InvalidPort, 400, "Invalid network port"),
    (InvalidPlug, 400, "Invalid interface"),
    (OwnInterface, 400, "The agent's own interface"),
    (NoInterface, 404, "Interface not found"),
    (NoSuchAddress, 404, "Error interface not found for IP address"),
    (AlreadyPlugged, 409, "Interface already exists"),
    (VipFailed, 500, "Error plugging VIP"),
    (NetworkFailed, 500, "Error plugging network"),
    (CommandFailed, 500, "Error in the network"),
    (StaleFence, 409, "Stale fence"),
    (StartFailed, 500, "Error starting haproxy"),
    (ReloadRefused, 500, "Error reloading haproxy"),
    (KeepalivedFailed, 500, "keepalived doesn't run"),
    (NoMemory, 500, "Certificates can't be kept"),
    (CancelledError, 503, "The agent is ending"),
    (OSError, 500, "The agent can't read or write its files"),
)
_log = Logger()
T = TypeVar("T")


class Malformed(Exception):
    """The request can't be read."""


class OtherAmphora(Exception):
    """The request is for another amphora than this; names this one."""


class Part(Protocol):
    """A part of the agent's API."""

    def routes(self) -> Iterable[Route]:
        """What it answers."""


def application(parts: Iterable[Part]) -> Routes:
    """
    All of these parts, with one answer to what fails in any of them. A L{fence} that can't be read is refused by every
    route; beyond that, those check it whose load balancer has a number to check it by.
    """
    return Routes(
        ((method, path, _fenced(then)) for part in parts for method, path, then in part.routes()),
        _failed,
    )


def _fenced(then: Callable[..., Any]) -> Callable[..., Any]:
    def answered(request: IRequest, **arguments: Any) -> Any:
        fence(request)
        return then(request, **arguments)

    return answered


def refuse_other(amphora: UUID, ours: str) -> None:
    """@raise OtherAmphora: it isn't ours."""
    if str(amphora) != ours:
        raise OtherAmphora(ours)


def answer(request: IRequest, status: int, body: object) -> bytes:
    """A JSON body."""
    request.setResponseCode(status)
    request.setHeader("Content-Type", "application/json")
    return json.dumps(body).encode()


def said(message: str, details: str) -> dict[str, str]:
    """The body of most answers."""
    return {"message": message, "details": details}


def fence(request: IRequest) -> int | None:
    """
    The number of the lease under which the request is made; C{None}: it names none.

    @raise Malformed: it names something else.
    """
    given = request.getHeader(FENCE_HEADER)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and int(given[:20]) < FENCE_LIMIT and len(given) < 20):
        raise Malformed(f"{FENCE_HEADER} must be an integer from 0 to {FENCE_LIMIT - 1}.")
    return int(given)


async def logged(request: IRequest, change: Awaitable[T]) -> T:
    """The result of a change that the request asks for, with a line in the log of how it went."""
    try:
        result = await change
    except tuple(kind for kind, _status, _message in _ANSWERS if kind is not CancelledError) as e:
        _tell(request, f"{type(e).__name__}: {e}")
        raise
    _tell(request, "done")
    return result


def _tell(request: IRequest, outcome: str) -> None:
    asked = request.getHeader(REQUEST_ID_HEADER)
    path = request.uri.decode("ascii", "replace")
    method = request.method.decode("ascii", "replace")
    _log.info("{method} {path} ({request_id}): {outcome}", method=method, path=path, request_id=asked, outcome=outcome)


def _failed(request: IRequest, failure: Failure) -> bytes:
    error: Any = failure.value
    if failure.check(Unrouted):
        if error.allowed:
            request.setHeader("Allow", ", ".join(sorted(error.allowed)))
        return _refusal(request, error.status, error)
    if failure.check(Malformed):
        return _refusal(request, 400, error)
    if failure.check(OtherAmphora):
        return answer(request, 404, said("Amphora Not Found", f"This is amphora {error}."))
    if failure.check(Absent):
        return answer(request, 404, said("Loadbalancer Not Found", f"No loadbalancer with UUID: {error}"))
    if failure.check(AbsentFile):
        return answer(request, 404, said("Certificate Not Found", f"No certificate with filename: {error}"))
    for kind, status, message in _ANSWERS:
        if failure.check(kind):
            return answer(request, status, said(message, str(error)))
    _log.failure("{path} can't be answered", failure, path=request.uri)
    return _refusal(request, 500, "The agent's log tells why.")


def _refusal(request: IRequest, status: int, sentence: object) -> bytes:
    name = RESPONSES[status].decode()
    return answer(request, status, {"error": f"{status} {name}: {sentence}", "http_code": status})
