"""Everyone may do everything: identity without anybody to ask, for services that listen on loopback alone."""

from __future__ import annotations

from zope.interface import implementer

from octavia_tx.errors import InvalidInput
from octavia_tx.interfaces import IIdentity
from octavia_tx.model.caller import Caller, Presented

DEFAULT_PROJECT = "default"
_LONGEST = 36  # characters: of a project's id, as everywhere in the API
_ROLES = frozenset({"admin"})


@implementer(IIdentity)
class NoAuth:
    """Believes every caller to be an administrator, of the project that they name."""

    challenge: str | None = None

    async def caller(self, presented: Presented) -> Caller:
        """See L{IIdentity}. Whatever token is presented isn't looked at."""
        project = presented.project_id or DEFAULT_PROJECT
        if len(project) > _LONGEST or not project.isprintable():
            accepted = f"a string of at most {_LONGEST} printable characters"
            raise InvalidInput("header X-Project-Id", presented.project_id, accepted)
        return Caller(project_id=project, roles=_ROLES)
