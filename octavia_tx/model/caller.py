"""Who asks something of the API, and what they presented to be believed."""

from __future__ import annotations

from attrs import field, frozen


@frozen(kw_only=True)
class Presented:
    """
    What a request says of who it comes from.

    @ivar token: C{X-Auth-Token}.
    @ivar service_token: C{X-Service-Token}: another service's own, that acts for the token's user.
    @ivar project_id: C{X-Project-Id}, which only those believe who believe everyone.
    """

    token: str | None = field(default=None, repr=False)
    service_token: str | None = field(default=None, repr=False)
    project_id: str | None = None


@frozen(kw_only=True)
class Caller:
    """
    Who asks.

    @ivar user_id: as identity knows them; C{None} where nobody asked.
    @ivar project_id: whom new objects belong to, unless the request names another; C{None} with no project's scope.
    @ivar roles: their names in lower case, in that scope.
    @ivar system: whether the scope is the whole system and not a project.
    """

    project_id: str | None
    user_id: str | None = None
    roles: frozenset[str] = frozenset()
    system: bool = False
