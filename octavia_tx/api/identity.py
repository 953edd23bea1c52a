"""Who asks, where everyone is believed."""

from __future__ import annotations

from zope.interface import implementer

from octavia_tx.api.types import Text
from octavia_tx.interfaces import IIdentity
from octavia_tx.model.caller import Caller, Presented

DEFAULT_PROJECT = "default"


@implementer(IIdentity)
class NoAuth:
    """Everyone may do everything. The header C{X-Project-Id} says for whom; the service listens on loopback only."""

    challenge = None

    async def caller(self, presented: Presented) -> Caller:
        """See L{IIdentity}."""
        project = presented.project_id
        if project:
            project = Text(36).decode(project, "header X-Project-Id")
        return Caller(project_id=project or DEFAULT_PROJECT, roles=frozenset({"admin"}))
