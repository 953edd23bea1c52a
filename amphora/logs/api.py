"""What controllers may say and ask of access logs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from twisted.web.iweb import IRequest

from amphora.answers import Malformed, answer, fence, logged, said
from amphora.load_balancer import Absent
from amphora.logs.service import Logs
from amphora.registry import LoadBalancers
from amphora.routing import Route
from octavia_tx.wire.logs import BadTerms, LogTerms, decode


class LogsApi:
    """A L{Part<amphora.answers.Part>}."""

    def __init__(self, logs: Logs, load_balancers: LoadBalancers) -> None:
        self._logs = logs
        self._load_balancers = load_balancers

    def routes(self) -> Iterable[Route]:
        """See L{Part<amphora.answers.Part>}."""
        path = "/1.0/loadbalancer/<uuid:identifier>/logs"
        return (("PUT", path, self.put), ("GET", path, self.status))

    async def put(self, request: IRequest, identifier: UUID) -> bytes:
        """Take terms."""
        content: Any = request.content
        try:
            terms = decode(content.read())
        except BadTerms as e:
            raise Malformed(str(e)) from e
        await logged(request, self.go_by(str(identifier), terms, fence(request)))
        return answer(request, 202, said("OK", ""))

    async def go_by(self, identifier: str, terms: LogTerms, number: int | None) -> None:
        """
        Let a load balancer's log go by terms.

        @raise StaleFence: a newer controller was here.
        @raise OSError: they can't be written down.
        """
        await self._load_balancers.place(identifier).alone(number, lambda: self._logs.put(identifier, terms))

    def status(self, request: IRequest, identifier: UUID) -> bytes:
        """How it does."""
        log = self._logs.find(str(identifier))
        if log is None:
            raise Absent(str(identifier))
        return answer(request, 200, log.status())
