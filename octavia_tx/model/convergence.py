"""How far the controllers are with a load balancer."""

from __future__ import annotations

from datetime import datetime

from attrs import frozen


@frozen(kw_only=True)
class Convergence:
    """
    Who works on a load balancer, and how it goes.

    @ivar id: the load balancer's.
    @ivar holder: the controller that has the lease; C{None}: nobody.
    @ivar due_at: when a controller shall look next, unless C{settled}: nothing is to be done until something changes.
    @ivar fence: the number of its newest lease.
    @ivar attempts: failures in a row.
    @ivar step: what is being done, or failed.
    """

    id: str
    holder: str | None
    expires_at: datetime | None
    due_at: datetime
    settled: bool
    fence: int
    attempts: int
    step: str | None
    last_error: str | None
    last_error_at: datetime | None
    pending_since: datetime
