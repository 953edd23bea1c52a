"""
Which part of the agent's API answers which request.

The other daemons have Klein for it. Here it would take 5 MB of the 60 that an agent may have, and a tenth of its start.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import unquote
from uuid import UUID

from attrs import frozen
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure
from twisted.web.iweb import IRequest

# Method, path, and who answers: with bytes, at once or later. A segment C{<name>} of the path is any text and is given
# to it by that name, C{<uuid:name>} is a UUID.
Route = tuple[str, str, Callable[..., Any]]
_VARIABLE: Final = re.compile(r"<(uuid:)?(\w+)>").fullmatch
_UUID: Final = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}").fullmatch


class Unrouted(Exception):
    """
    Nobody answers such requests.

    @ivar status: 404, or 405 where some other method is answered.
    @ivar allowed: methods that are.
    """

    def __init__(self, status: int, allowed: frozenset[str], sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.allowed = allowed


@frozen
class _Route:
    method: str
    segments: tuple[str, ...]
    answer: Callable[..., Any]

    def rank(self) -> tuple[int, ...]:
        """The lower, the fewer paths it is for: what is spelled out goes before what may vary."""
        return tuple(2 * each.startswith("<") - each.startswith("<uuid:") for each in self.segments)

    def match(self, path: tuple[str, ...]) -> dict[str, Any] | None:
        """What the path's variable segments are; C{None}: it is another path."""
        if len(path) != len(self.segments):
            return None
        found: dict[str, Any] = {}
        for wanted, given in zip(self.segments, path, strict=True):
            variable = _VARIABLE(wanted)
            if variable is None or not given:
                if wanted != given:
                    return None
            elif variable[1] is None:
                found[variable[2]] = given
            elif _UUID(given):
                found[variable[2]] = UUID(given)
            else:
                return None
        return found


class Routes:
    """
    Answers by whom the path and the method belong to.

    @param failed: answers what nobody does, and what fails.
    """

    def __init__(self, routes: Iterable[Route], failed: Callable[[IRequest, Failure], bytes]) -> None:
        known = [_Route(method, tuple(path.split("/")), answer) for method, path, answer in routes]
        self._routes = sorted(known, key=_Route.rank)
        self._failed = failed

    def find(self, method: str, path: str) -> tuple[Callable[..., Any], dict[str, Any]]:
        """
        Who answers, and with which arguments.

        @param path: as it stands in a request.
        @raise Unrouted: nobody.
        """
        # OpenStack's controllers ask for //.
        segments = tuple(unquote(each, errors="strict") for each in re.sub("/{2,}", "/", path).split("/"))
        matching = [(each, found) for each in self._routes if (found := each.match(segments)) is not None]
        for route, found in matching:
            if route.method == ("GET" if method == "HEAD" else method):
                return route.answer, found
        if not matching:
            raise Unrouted(404, frozenset(), "There's nothing at this path.")
        allowed = frozenset(route.method for route, _found in matching)
        raise Unrouted(405, allowed, f"Here {method} isn't answered, but {', '.join(sorted(allowed))}.")

    def answer(self, request: Any) -> None:
        """Answer, now or later. For a client that has gone it is found out all the same, and dropped."""
        gone: list[object] = []
        request.notifyFinish().addErrback(gone.append)

        def tell(body: bytes) -> None:
            if not gone:
                request.setHeader("Content-Length", str(len(body)))
                request.write(body)
                request.finish()

        def ask() -> Any:
            answer, arguments = self.find(request.method.decode("ascii", "replace"), request.path.decode())
            return answer(request, **arguments)

        answered: Deferred[bytes] = maybeDeferred(ask)
        answered.addErrback(lambda failure: self._failed(request, failure))
        answered.addCallback(tell)
