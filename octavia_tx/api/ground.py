"""What a request finds when it is about to change something: objects as they are now, and the right to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from attrs import define

from octavia_tx.api.call import Call
from octavia_tx.db import l7policies, listeners, load_balancers, pools
from octavia_tx.db.repository import Repository
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import Conflict, NotFound, ParentNotFound, RevisionMismatch
from octavia_tx.model.resources import HealthMonitor, L7Policy, L7Rule, Listener, LoadBalancer, Member, Pool
from octavia_tx.model.statuses import ProvisioningStatus

_Staying = TypeVar("_Staying", Listener, Pool, Member, HealthMonitor, L7Policy, L7Rule)
_Found = TypeVar("_Found", LoadBalancer, Listener, Pool, L7Policy)


def leaving(value: Any) -> bool:
    """Whether an object is on its way out."""
    return bool(value.provisioning_status is ProvisioningStatus.PENDING_DELETE)


@define
class Ground:
    """
    One reading of what a request is about.

    @ivar locked: the load balancer whose row is locked, with the revision that the request makes; C{None} as long as
        nothing is locked.
    """

    tx: Transaction
    call: Call
    locked: LoadBalancer | None = None

    async def load_balancer(self, identifier: str, where: str | None = None) -> LoadBalancer:
        """
        A load balancer.

        @param where: the field that names it; C{None} where it is known from an object that was found.
        @raise NotFound: it isn't there.
        @raise Forbidden: it isn't the caller's.
        """
        if self.locked is not None and self.locked.id == identifier:
            return self.locked
        return await self._found(load_balancers.get, "Load balancer", identifier, where)

    async def listener(self, identifier: str, where: str | None = None) -> Listener:
        """A listener that stays. Raises as L{load_balancer}, and L{Conflict} when it is leaving."""
        return self.staying(await self._found(listeners.get, "Listener", identifier, where), "Listener")

    async def pool(self, identifier: str, where: str | None = None) -> Pool:
        """A pool that stays, without the ids of members and listeners. Raises as L{listener}."""
        return self.staying(await self._found(pools.brief, "Pool", identifier, where), "Pool")

    async def pool_seen(self, identifier: str) -> Pool:
        """The same, leaving or not."""
        return await self._found(pools.brief, "Pool", identifier, None)

    async def l7policy(self, identifier: str, where: str | None = None) -> L7Policy:
        """An L7 policy that stays. Raises as L{listener}."""
        return self.staying(await self.l7policy_seen(identifier, where), "L7 policy")

    async def l7policy_seen(self, identifier: str, where: str | None = None) -> L7Policy:
        """The same, leaving or not."""
        return await self._found(l7policies.get, "L7 policy", identifier, where)

    async def _found(
        self,
        get: Callable[[Transaction, str], Awaitable[_Found | None]],
        kind: str,
        identifier: str,
        where: str | None,
    ) -> _Found:
        value = await get(self.tx, identifier)
        if value is None:
            raise NotFound(kind, identifier) if where is None else ParentNotFound(where, kind, identifier)
        self.call.permit(value.project_id)
        return value

    async def living(self, rows: Repository[_Staying], **equal: Any) -> tuple[_Staying, ...]:
        """The objects whose columns have these values and that stay, the oldest first."""
        return tuple(value for value in await rows.find(self.tx, **equal) if not leaving(value))

    @staticmethod
    def staying(value: _Staying, kind: str) -> _Staying:
        """
        The object itself.

        @raise Conflict: it is on its way out.
        """
        if leaving(value):
            raise Conflict(f"{kind} {value.id} is being deleted and can't be changed.")
        return value

    def expected(self, value: Any) -> None:
        """
        Hold what the client changes against what it believes to change.

        @raise RevisionMismatch: C{If-Match} names another revision.
        """
        wanted = self.call.expected
        raised = self.locked is not None and value.id == self.locked.id  # by this request itself
        if wanted is not None and value.revision - raised not in wanted:
            raise RevisionMismatch(
                f"The object is at revision {value.revision - raised}, not at what If-Match names. "
                "Read it again, and decide anew."
            )
