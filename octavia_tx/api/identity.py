"""Who asks: the seam behind which keystone stands, and the answer without it."""

from __future__ import annotations

from collections.abc import Awaitable

from attrs import frozen
from twisted.web.iweb import IRequest
from zope.interface import Interface, implementer

from octavia_tx.api.types import Text

DEFAULT_PROJECT = "default"


@frozen
class Caller:
    """
    Who asks.

    @ivar project_id: whom new objects belong to, unless the request names another.
    @ivar everywhere: whether all projects' objects are theirs to see and change.
    """

    project_id: str
    everywhere: bool = False

    def sees(self, project_id: str) -> bool:
        """Whether an object of that project is theirs to see."""
        return self.everywhere or project_id == self.project_id


class IIdentity(Interface):
    """Tells who a request comes from."""

    def caller(request: IRequest) -> Awaitable[Caller]:
        """Who it is. Raises what C{api/errors.py} knows when that can't be told."""


@implementer(IIdentity)
class NoAuth:
    """Everyone may do everything. The header C{X-Project-Id} says for whom; the service listens on loopback only."""

    async def caller(self, request: IRequest) -> Caller:
        given: bytes | None = request.getHeader(b"X-Project-Id")
        if not given:
            return Caller(DEFAULT_PROJECT, everywhere=True)
        # What isn't UTF-8 becomes lone surrogates, which the type refuses.
        project = Text(36).decode(given.decode("utf-8", "surrogateescape"), "header X-Project-Id")
        return Caller(project, everywhere=True)
