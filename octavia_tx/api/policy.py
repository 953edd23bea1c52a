"""
Who may do what: one rule for each route, in one table.

A caller has keystone's default roles or the C{load-balancer_*} ones, whichever the token carries. A rule says which
roles suffice for the caller's own project, and which for every project. Routes are checked twice: whether the caller
may do such a thing at all, before anything is read; and whether with this object, once its project is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import frozen

from octavia_tx.errors import Forbidden
from octavia_tx.model.caller import Caller

_SYSTEM: Final = "system:"  # before a role that is held for the whole system

ADMINS: Final = frozenset({"admin", "load-balancer_admin"})
_OWN_WRITERS: Final = frozenset({"member", "load-balancer_member"})
_OWN_READERS: Final = _OWN_WRITERS | {"reader", "load-balancer_observer"}
_READERS: Final = ADMINS | {"load-balancer_global_observer", f"{_SYSTEM}reader", f"{_SYSTEM}member"}
_QUOTA_ADMINS: Final = ADMINS | {"load-balancer_quota_admin"}


@frozen
class Rule:
    """
    What a caller needs.

    @ivar own: roles of which one suffices for objects of the project that the token is for.
    @ivar every: roles of which one suffices for objects of all projects, and for those of none.
    @ivar public: whether nobody needs to say who asks.
    """

    own: frozenset[str] = frozenset()
    every: frozenset[str] = frozenset()
    public: bool = False

    def everywhere(self, caller: Caller) -> bool:
        """Whether the caller may do this with all projects' objects."""
        return bool(self.every & _held(caller))

    def at_all(self, caller: Caller) -> bool:
        """Whether the caller may do this with any object."""
        return self.public or self.everywhere(caller) or bool(self.own & caller.roles)

    def permit(self, caller: Caller, project_id: str | None) -> None:
        """
        Let the caller do this with an object of that project.

        @raise Forbidden: they may not.
        """
        if self.everywhere(caller):
            return
        if project_id is None or project_id != caller.project_id or not self.own & caller.roles:
            raise Forbidden("Policy does not allow this request to be performed.")


def _held(caller: Caller) -> frozenset[str]:
    return caller.roles | {f"{_SYSTEM}{role}" for role in caller.roles} if caller.system else caller.roles


PUBLIC: Final = Rule(public=True)
READ: Final = Rule(_OWN_READERS, _READERS)
WRITE: Final = Rule(_OWN_WRITERS, ADMINS)
ADMIN: Final = Rule(every=ADMINS)
READ_KEPT: Final = Rule(_OWN_READERS | ADMINS)
KEEP: Final = Rule(_OWN_WRITERS | ADMINS)
"""Of secrets: what they are called, and all else. Nobody has a right to another project's."""
READ_QUOTA: Final = Rule(_OWN_READERS, _READERS | _QUOTA_ADMINS)
WRITE_QUOTA: Final = Rule(every=_QUOTA_ADMINS)


def _whole(path: str, read: Rule, write: Rule, key: str = "id") -> dict[str, Rule]:
    """The rules of a collection that is read and written in the usual ways; each object is known by its key."""
    return {
        f"GET {path}": read,
        f"POST {path}": write,
        f"GET {path}/<{key}>": read,
        f"PUT {path}/<{key}>": write,
        f"DELETE {path}/<{key}>": write,
    }


def _kept(path: str) -> dict[str, Rule]:
    """The rules of secrets, or of containers of them."""
    return {
        f"GET {path}": READ_KEPT,
        f"POST {path}": KEEP,
        f"GET {path}/<id>": READ_KEPT,
        f"DELETE {path}/<id>": KEEP,
        f"GET {path}/<id>/consumers": READ_KEPT,
        f"POST {path}/<id>/consumers": KEEP,
        f"DELETE {path}/<id>/consumers": KEEP,
    }


def _shown(path: str) -> dict[str, Rule]:
    """The rules of a collection that is only read."""
    return {f"GET {path}": READ, f"GET {path}/<id>": READ}


RULES: Final[Mapping[str, Rule]] = {
    "GET versions": PUBLIC,
    "GET openapi.json": PUBLIC,
    **_whole("loadbalancers", READ, WRITE),
    "GET loadbalancers/<id>/status": READ,
    "GET loadbalancers/<id>/statuses": READ,
    "GET loadbalancers/<id>/stats": READ,
    "PUT loadbalancers/<id>/failover": ADMIN,
    **_whole("listeners", READ, WRITE),
    "GET listeners/<id>/stats": READ,
    **_whole("pools", READ, WRITE),
    **_whole("pools/<pool_id>/members", READ, WRITE),
    "PUT pools/<pool_id>/members": WRITE,
    **_whole("healthmonitors", READ, WRITE),
    **_whole("l7policies", READ, WRITE),
    **_whole("l7policies/<l7policy_id>/rules", READ, WRITE),
    "GET quotas": READ_QUOTA,
    "GET quotas/defaults": READ_QUOTA,
    "GET quotas/<project_id>": READ_QUOTA,
    "GET quotas/<project_id>/default": READ_QUOTA,
    "PUT quotas/<project_id>": WRITE_QUOTA,
    "DELETE quotas/<project_id>": WRITE_QUOTA,
    "GET providers": READ,
    "GET providers/<name>/flavor_capabilities": ADMIN,
    "GET providers/<name>/availability_zone_capabilities": ADMIN,
    **_whole("flavors", READ, ADMIN),
    **_whole("flavorprofiles", ADMIN, ADMIN),
    **_whole("availabilityzones", READ, ADMIN, "name"),
    **_whole("availabilityzoneprofiles", ADMIN, ADMIN),
    "GET amphorae": ADMIN,
    "GET amphorae/<id>": ADMIN,
    "DELETE amphorae/<id>": ADMIN,
    "GET amphorae/<id>/stats": ADMIN,
    "PUT amphorae/<id>/failover": ADMIN,
    "PUT amphorae/<id>/config": ADMIN,
    "GET projects": ADMIN,
    "GET projects/<project_id>/loadbalancers": ADMIN,
    "GET projects/<project_id>/usage": ADMIN,
    "GET spares": ADMIN,
    "GET leases": ADMIN,
    "GET history/<id>": ADMIN,
    "GET loadbalancers/<id>/configuration": ADMIN,
    "GET events": ADMIN,
    "GET network": PUBLIC,
    "GET network/v2.0": PUBLIC,
    **_shown("networks"),
    **_shown("subnets"),
    **_shown("ports"),
    **_shown("security-groups"),
    **_shown("qos/policies"),
    "GET projects/<project_id>": READ,
    "GET key-manager": PUBLIC,
    "GET key-manager/v1": PUBLIC,
    **_kept("secrets"),
    "PUT secrets/<id>": KEEP,
    "GET secrets/<id>/payload": KEEP,
    **_kept("containers"),
}
"""By method and path. A route that isn't here doesn't come into being."""
