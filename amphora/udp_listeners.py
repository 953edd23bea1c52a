"""Listeners of UDP and SCTP: each a keepalived that tells the kernel's IPVS where packets go."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from twisted.web.iweb import IRequest

from amphora import commands
from amphora.answers import answer, refuse_other, said
from amphora.load_balancer import checksum
from amphora.routing import Route
from amphora.supervision import Keepaliveds, Supervised
from octavia_tx.wire.rest import LISTENERS_PATH

_SCTP: Final = re.compile(rb"^\s*protocol\s+SCTP\b", re.MULTILINE | re.IGNORECASE).search
_SERVES: Final = b"virtual_server"  # without one, the listener is disabled


class UdpListeners:
    """What controllers may ask of them, but for what L{AgentApi<amphora.api.AgentApi>} asks by the same paths."""

    def __init__(self, keepaliveds: Keepaliveds, amphora_id: str) -> None:
        self._keepaliveds = keepaliveds
        self._amphora_id = amphora_id
        self.find = keepaliveds.find

    def routes(self) -> Iterable[Route]:
        """See L{Part<amphora.answers.Part>}."""
        return (
            ("PUT", f"{LISTENERS_PATH}/<uuid:amphora>/<uuid:identifier>/udp_listener", self.upload),
            ("GET", f"{LISTENERS_PATH}/<uuid:identifier>/udp_listener", self.configuration),
        )

    def listed(self) -> list[dict[str, str]]:
        """Which there are, and whether they are served."""
        return [
            {"status": _status(each), "uuid": each.name, "type": "SCTP" if _SCTP(each.text()) else "UDP"}
            for each in self._keepaliveds.all()
        ]

    def running(self) -> int:
        """How many keepaliveds run."""
        return sum(each.life.serves() for each in self._keepaliveds.all())

    async def upload(self, request: IRequest, amphora: UUID, identifier: UUID) -> bytes:
        """Put a configuration in place."""
        refuse_other(amphora, self._amphora_id)
        return await commands.upload(request, self._keepaliveds.place(str(identifier)))

    def configuration(self, request: IRequest, identifier: UUID) -> bytes:
        """The configuration in place."""
        found = self.find(str(identifier))
        if found is None:
            return answer(request, 404, said("UDP Listener Not Found", f"No UDP listener with UUID: {identifier}"))
        text = found.text()
        request.setHeader("ETag", checksum(text))
        request.setHeader("Content-Type", "text/plain; charset=utf-8")
        return text


def _status(listener: Supervised) -> str:
    if not listener.life.serves():
        return "ERROR" if listener.wanted else "OFFLINE"
    return "ACTIVE" if _SERVES in listener.text() else "OFFLINE"
