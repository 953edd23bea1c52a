"""What a keepalived may be told by HTTP, whatever it is for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.web.iweb import IRequest

from amphora.answers import Malformed, answer, logged, said
from amphora.supervision import Supervised

_ACTIONS: Final[dict[str, Callable[[Supervised], Deferred[None]]]] = {
    "start": Supervised.start,  # reloads one that runs
    "stop": Supervised.stop,
    "reload": Supervised.start,  # starts one that doesn't
}


async def upload(request: IRequest, keepalived: Supervised) -> bytes:
    """Put the body in place as its configuration, without effect on what runs."""
    text = request.content.read()
    if not text.strip():
        raise Malformed("The body must be keepalived's configuration.")
    request.setHeader("ETag", await logged(request, keepalived.upload(text)))
    return answer(request, 200, {"message": "OK"})


async def act(request: IRequest, keepalived: Supervised, action: str) -> bytes:
    """Start, stop or reload it."""
    found = _ACTIONS.get(action.lower())
    if found is None:
        return answer(request, 400, said("Invalid Request", f"Unknown action: {action}"))
    await logged(request, found(keepalived))
    return answer(request, 202, said("OK", f"{action} of keepalived {keepalived.name} done"))


async def remove(request: IRequest, keepalived: Supervised) -> bytes:
    """End it, and forget it."""
    await logged(request, keepalived.remove())
    return answer(request, 200, {"message": "OK"})
