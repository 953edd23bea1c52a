"""What a project has."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Holding:
    """
    How many objects of each kind a project has; what is being deleted doesn't count.

    @ivar id: the project's.
    @ivar amphora: how many serve its load balancers, or are to.
    """

    id: str
    load_balancer: int
    listener: int
    pool: int
    member: int
    health_monitor: int
    l7policy: int
    l7rule: int
    amphora: int
